"""WorkerKiller Ray workers of this process at random, as `kill -9` does."""

import random
import threading
from types import TracebackType

import psutil

TITLE = "ResourceTrainable"  # what Ray calls the process of a trial
WAIT = (0.5, 3.0)  # seconds between two kills


class WorkerKiller:
    """A thread that kills one worker after another until it has killed enough."""

    def __init__(self, enough: int, seed: int = 0):
        self.enough, self.count = enough, 0
        self._rng, self._stop = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def done(self) -> bool:
        """Tell whether enough were killed."""
        return self.count >= self.enough

    def __enter__(self) -> "WorkerKiller":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.done and not self._stop.wait(self._rng.uniform(*WAIT)):
            self.count += self._kill()

    def _kill(self) -> bool:
        """Kill a random worker, if there is one."""
        below = psutil.Process().children(recursive=True)
        try:
            workers = [process for process in below if TITLE in process.name()]
            if workers:
                self._rng.choice(workers).kill()
        except psutil.NoSuchProcess:  # it went by itself
            return False
        return bool(workers)
