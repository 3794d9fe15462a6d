"""Chunks in the queue: each is with one worker at a time, and none is forgotten."""

import asyncio

from ean_search.distributed import chunk_queue
from ean_search.distributed.chunk_queue import ChunkQueue


def offered(chunk, *, workers=1):
    queue = ChunkQueue(workers)
    asyncio.run(queue.offer({0: chunk}))
    return queue


def test_a_ticket_gets_the_same_chunk_until_it_is_finished():
    queue = offered(["a"])
    assert asyncio.run(queue.take(7)) == asyncio.run(queue.take(7)) == (0, ["a"])


def test_no_two_tickets_get_the_same_chunk():
    async def take_twice():
        queue = ChunkQueue(2)
        await queue.offer({0: ["a"]})
        await queue.take(7)
        await queue.offer({0: ["a"], 1: ["b"]})
        return await queue.take(8)

    assert asyncio.run(take_twice()) == (1, ["b"])


def test_a_chunk_whose_result_was_lost_is_given_again():
    async def lose_a_result():
        queue = ChunkQueue(1)
        await queue.offer({0: ["a"]})
        await queue.take(7)
        await queue.finish(7)
        held = await queue.lose(7)
        await queue.offer({0: ["a"]})
        return held, await queue.take(8)

    assert asyncio.run(lose_a_result()) == (None, (0, ["a"]))


def test_a_waiting_ticket_gets_the_chunk_of_a_lost_worker(monkeypatch):
    monkeypatch.setattr(chunk_queue, "LOST_CHUNK_WAIT_SECONDS", 0.05)

    async def lose_a_worker():
        queue = ChunkQueue(2)
        await queue.offer({0: ["a"]})
        await queue.take(7)
        await queue.lose(7)
        waiting = asyncio.create_task(queue.take(8))
        while not waiting.done():
            await queue.offer({0: ["a"]})
            await asyncio.sleep(0.01)
        return await waiting, await queue.lose(7)

    assert asyncio.run(asyncio.wait_for(lose_a_worker(), 10)) == ((0, ["a"]), None)


def test_a_waiting_ticket_gets_no_chunk_when_the_queue_closes():
    async def close():
        queue = ChunkQueue(1)
        waiting = asyncio.create_task(queue.take(7))
        await asyncio.sleep(0)
        await queue.close()
        return await waiting

    assert asyncio.run(close()) is None
