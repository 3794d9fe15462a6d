"""What is attacked: a small finished run with a training, and an unfinished one."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ean_search.bench.attack.process import Command, Main, Outcome, do_nothing
from ean_search.utils.errors import UserError
from ean_search.utils.files import read_json_object

TRIALS_KEPT = 3  # of an unfinished run: the named placements and no cohort
# Rewards without latency: a run that starts anew measures it anew.
SMALL = (
    *"--space tiny --budget 6 --cohort 2 --epochs 1 --device cpu --cost-axis flops".split(),
    *"--objective,accuracy - 0.02 flops".split(","),
    *"--set data.options.train=200 --set data.options.test=50".split(),
    *"--set data.search_per_class=5 --set retrain.epochs=1".split(),
)


@dataclass(frozen=True)
class Ground:
    """The folder of an attack.

    Attributes:
        main: Runs a command; returns its exit code.
        root: The folder; attacks work in folders of their own below it.
    """

    main: Main
    root: Path

    @property
    def finished(self) -> Path:
        """The finished run."""
        return self.root / "tiny" / "finished"

    def start(
        self, folder: Path, words: Sequence[object], prepare: Callable[[], Any] = do_nothing
    ) -> Command:
        """Start a command; its output goes to a file of its own beside the attack's folder."""
        count = len(list(folder.parent.glob(f"{folder.name}.*.txt")))
        output = folder.with_name(f"{folder.name}.{count}.txt")
        output.touch()
        return Command(self.main, [str(word) for word in words], output, prepare)

    def run(
        self, folder: Path, words: Sequence[object], prepare: Callable[[], Any] = do_nothing
    ) -> Outcome:
        """Run a command to its end."""
        return self.start(folder, words, prepare).wait()

    def prepare(self) -> None:
        """Make the finished run and its training, if they are not there.

        Raises:
            UserError: If that fails.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for words in (run_words(self.root, "finished"), retrain_words(self.finished)):
            done = self.finished / "summary.json", training_of(self.finished) / "metrics.json"
            if done["retrain" in words].is_file():
                continue
            outcome = self.run(self.root / "ground", words)
            if outcome.code:
                raise UserError(f"there is nothing to attack: {outcome.output[-300:]}")

    def copy(self, folder: Path) -> Path:
        """Copy the finished run."""
        return shutil.copytree(self.finished, folder / "tiny" / "run")

    def unfinished(self, folder: Path) -> Path:
        """Copy the run as it was after its first trials."""
        run = self.copy(folder)
        for name in ("summary.json", "front.csv", "front.png", "judged.answers.jsonl"):
            (run / name).unlink(missing_ok=True)
        for name in ("trials.jsonl", "trials.answers.jsonl"):
            lines = (run / name).read_bytes().splitlines(keepends=True)
            (run / name).write_bytes(b"".join(lines[:TRIALS_KEPT]))
        shutil.rmtree(run / "retrain")
        return run


def run_words(results: Path, name: str) -> list[object]:
    """Return the words of a whole small run."""
    return ["run", *SMALL, "--results", results, "--name", name]


def retrain_words(run: Path) -> list[object]:
    """Return the words of a small training."""
    return ["retrain", run, "--placement", "all", "--device", "cpu"]


def training_of(run: Path) -> Path:
    """Return the folder of the small training."""
    return run / "retrain" / "1-1-1-1-seed0"


def history(run: Path) -> list[Any]:
    """Return what a run found, without the seconds that it took."""
    file = run / "trials.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    return [[row["placement"], row["status"], row["accuracy"], row["reward"]] for row in rows]


def accuracy(run: Path) -> Any:
    """Return the accuracy of the small training."""
    return (read_json_object(training_of(run) / "metrics.json") or {}).get("test_accuracy")
