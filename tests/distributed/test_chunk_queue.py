"""Chunks at the desk: each is with one worker at a time, and none is forgotten."""

import asyncio

from ean_search.distributed import desk as desk_module
from ean_search.distributed.chunk_queue import ChunkQueue


def offered(chunk, *, workers=1):
    desk = ChunkQueue(workers)
    asyncio.run(desk.offer({0: chunk}))
    return desk


def test_a_ticket_gets_the_same_chunk_until_it_is_finished():
    desk = offered(["a"])
    assert asyncio.run(desk.take(7)) == asyncio.run(desk.take(7)) == (0, ["a"])


def test_a_chunk_is_not_given_to_two():
    async def take_twice():
        desk = ChunkQueue(2)
        await desk.offer({0: ["a"]})
        await desk.take(7)
        await desk.offer({0: ["a"], 1: ["b"]})
        return await desk.take(8)

    assert asyncio.run(take_twice()) == (1, ["b"])


def test_a_chunk_whose_result_was_lost_is_given_again():
    async def lose_a_result():
        desk = ChunkQueue(1)
        await desk.offer({0: ["a"]})
        await desk.take(7)
        await desk.finish(7)
        held = await desk.lose(7)
        await desk.offer({0: ["a"]})
        return held, await desk.take(8)

    assert asyncio.run(lose_a_result()) == (None, (0, ["a"]))


def test_who_waits_gets_what_a_lost_worker_held_however_often_it_is_offered(monkeypatch):
    monkeypatch.setattr(desk_module, "GRACE", 0.05)

    async def lose_a_worker():
        desk = ChunkQueue(2)
        await desk.offer({0: ["a"]})
        await desk.take(7)
        await desk.lose(7)
        waiting = asyncio.create_task(desk.take(8))
        while not waiting.done():
            await desk.offer({0: ["a"]})
            await asyncio.sleep(0.01)
        return await waiting, await desk.lose(7)

    assert asyncio.run(asyncio.wait_for(lose_a_worker(), 10)) == ((0, ["a"]), None)


def test_who_waits_is_sent_home_when_the_search_is_over():
    async def close():
        desk = ChunkQueue(1)
        waiting = asyncio.create_task(desk.take(7))
        await asyncio.sleep(0)
        await desk.close()
        return await waiting

    assert asyncio.run(close()) is None
