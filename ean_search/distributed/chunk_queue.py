"""Hands chunks to trials: an actor, so that a worker's next chunk waits for no control loop.

Tune keeps a worker alive between two trials only if another trial is waiting for it. So trials are
tickets: each is started before it is known what it will evaluate, and asks here.
"""

import asyncio
from collections.abc import Mapping

from ean_search.core.space import Placement

GRACE = 20.0  # seconds in which a new worker should have started
Chunk = tuple[int, list[Placement]]  # its number comes first


class ChunkQueue:
    """Chunks that nobody has taken, who took which, and how many workers there should be."""

    def __init__(self, workers: int) -> None:
        self._workers, self._at_work = workers, set()
        self._open: dict[int, list[Placement]] = {}
        self._taken: dict[int, Chunk] = {}
        self._lost: set[int] = set()
        self._closed = False
        self._news = asyncio.Condition()

    async def offer(self, chunks: Mapping[int, list[Placement]]) -> None:
        """Take in chunks; those that are here, or with somebody, are left as they are.

        One that was finished and is offered again is open again: its result was lost on its way.
        """
        async with self._news:
            held = {number for number, _ in self._taken.values()}
            new = {n: c for n, c in chunks.items() if n not in held and n not in self._open}
            self._open |= new
            if new:
                self._news.notify_all()

    async def take(self, ticket: int) -> Chunk | None:
        """Give a ticket its chunk, when there is one; the same when it is asked for again.

        Who waits for long gets what a ticket without a worker holds: after a node is lost, there
        may be no place for another one.
        """
        async with self._news:
            self._lost.discard(ticket)
            self._at_work.add(ticket)
            while not (ticket in self._taken or self._open or self._closed):
                try:
                    await asyncio.wait_for(self._news.wait(), GRACE)
                except asyncio.TimeoutError:  # before Python 3.11 not the built-in one
                    self._open |= dict(self._taken.pop(other) for other in self._lost)
                    self._lost.clear()
                    self._news.notify_all()
            if ticket not in self._taken and self._open:
                number = next(iter(self._open))
                self._taken[ticket] = number, self._open.pop(number)
            return self._taken.get(ticket)

    async def finish(self, ticket: int) -> bool:
        """Take back a chunk that was evaluated; tell whether its trial should end.

        While another worker is starting, it should not: Tune would call the start off and give the
        next trial this worker, over and over if chunks take less time than a start.
        """
        self._taken.pop(ticket, None)
        everybody = len(self._at_work) >= self._workers
        if everybody:
            self._at_work.discard(ticket)
        return everybody

    async def lose(self, ticket: int) -> int | None:
        """Note that a ticket has no worker, and tell which chunk it holds."""
        self._at_work.discard(ticket)
        if ticket in self._taken:
            self._lost.add(ticket)
            return self._taken[ticket][0]
        return None

    async def give_up(self, ticket: int) -> None:
        """Take a chunk away that is not to be tried again."""
        self._lost.discard(ticket)
        self._taken.pop(ticket, None)

    async def close(self) -> None:
        """Send everybody home."""
        async with self._news:
            self._closed = True
            self._news.notify_all()
