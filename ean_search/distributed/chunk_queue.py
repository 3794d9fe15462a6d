"""Hands chunks to trials: an actor, so that a worker's next chunk waits for no control loop.

Tune keeps a worker alive between two trials only if another trial is waiting for it. So every trial
is a placeholder: it is started before it is known what it will evaluate, and asks here. Its ticket
is the number by which this queue knows it.
"""

import asyncio
from collections.abc import Mapping

from ean_search.core.space import Placement

LOST_CHUNK_WAIT_SECONDS = 20.0  # a new worker should have started by then
Chunk = tuple[int, list[Placement]]  # its number comes first


class ChunkQueue:
    """Chunks that nobody has taken, and chunks that were taken, by ticket.

    Args:
        workers: How many workers there should be.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._at_work: set[int] = set()  # tickets that have a worker
        self._open: dict[int, list[Placement]] = {}
        self._taken: dict[int, Chunk] = {}
        self._lost: set[int] = set()  # tickets that hold a chunk but have no worker
        self._closed = False
        self._changed = asyncio.Condition()

    async def offer(self, chunks: Mapping[int, list[Placement]]) -> None:
        """Take in chunks by number; those that are here or taken are left as they are.

        A finished chunk that is offered again is open again: its result was lost on its way.
        """
        async with self._changed:
            taken = {number for number, _ in self._taken.values()}
            new = {n: c for n, c in chunks.items() if n not in taken and n not in self._open}
            self._open |= new
            if new:
                self._changed.notify_all()

    async def take(self, ticket: int) -> Chunk | None:
        """Return a ticket's chunk as soon as there is one; the same chunk when asked again.

        A ticket that waits for long gets a chunk of a ticket that lost its worker: after a node is
        lost, there may be no place for another worker. None means that the queue is closed.
        """
        async with self._changed:
            self._lost.discard(ticket)
            self._at_work.add(ticket)
            while not (ticket in self._taken or self._open or self._closed):
                try:
                    await asyncio.wait_for(self._changed.wait(), LOST_CHUNK_WAIT_SECONDS)
                except asyncio.TimeoutError:  # before Python 3.11 not the built-in one
                    self._open |= dict(self._taken.pop(other) for other in self._lost)
                    self._lost.clear()
                    self._changed.notify_all()
            if ticket not in self._taken and self._open:
                number = next(iter(self._open))
                self._taken[ticket] = number, self._open.pop(number)
            return self._taken.get(ticket)

    async def finish(self, ticket: int) -> bool:
        """Take back a chunk that was evaluated; return whether its trial should end.

        While another worker is starting, it should not: Tune would call the start off and give the
        next trial this worker, over and over if chunks take less time than a start.
        """
        self._taken.pop(ticket, None)
        all_at_work = len(self._at_work) >= self._workers
        if all_at_work:
            self._at_work.discard(ticket)
        return all_at_work

    async def lose(self, ticket: int) -> int | None:
        """Note that a ticket has no worker, and return the number of the chunk it holds."""
        self._at_work.discard(ticket)
        if ticket in self._taken:
            self._lost.add(ticket)
            return self._taken[ticket][0]
        return None

    async def give_up(self, ticket: int) -> None:
        """Drop a ticket's chunk, which is not to be tried again."""
        self._lost.discard(ticket)
        self._taken.pop(ticket, None)

    async def close(self) -> None:
        """Let all waiting tickets go without a chunk."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
