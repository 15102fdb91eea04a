"""Work that ends when its client hangs up."""

from __future__ import annotations

import asyncio

import pytest

from rest_bridge.presence import ClientLeft, Departure, Presence


async def test_a_block_that_ends_by_itself_is_left_alone() -> None:
    async with asyncio.timeout(5), Presence(Departure()):
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= 2


async def test_a_departure_ends_what_the_block_waits_for() -> None:
    departure = Departure()
    asyncio.get_running_loop().call_soon(departure.happen)
    with pytest.raises(ClientLeft):
        async with asyncio.timeout(5), Presence(departure):
            await asyncio.Event().wait()
    await asyncio.sleep(0)  # the task is its own again: nothing is left to strike here


async def test_a_block_for_who_has_gone_before_ends_at_its_first_wait() -> None:
    departure = Departure()
    departure.happen()
    with pytest.raises(ClientLeft):
        async with asyncio.timeout(5), Presence(departure):
            await asyncio.Event().wait()


async def test_an_end_from_outside_has_its_own_reason() -> None:
    presence = Presence(Departure())
    asyncio.get_running_loop().call_soon(presence.end, ValueError("enough"))
    with pytest.raises(ValueError, match="enough"):
        async with asyncio.timeout(5), presence:
            await asyncio.Event().wait()


async def test_an_end_in_the_last_moment_strikes_nothing_else() -> None:
    presence = Presence(Departure())
    with pytest.raises(ClientLeft):
        async with presence:
            presence.end(ClientLeft())
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_of_the_block_counts_more_than_a_departure() -> None:
    async def work() -> None:
        presence = Presence(Departure())
        async with presence:
            presence.end(ClientLeft())
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await work()
    await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def work() -> None:
        async with Presence(Departure()):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_beat_comes_when_it_is_due_until_the_block_ends() -> None:
    loop = asyncio.get_running_loop()
    third = asyncio.Event()
    beats: list[float] = []

    async def beat() -> float:
        beats.append(loop.time())
        if len(beats) == 3:
            third.set()
        return loop.time() + 0.01

    async with asyncio.timeout(5), Presence(Departure(), beat=beat, due=loop.time() + 0.01):
        await third.wait()
    assert len(beats) == 3
