"""What is given the same time ends in its turn, each after that time."""

from __future__ import annotations

import asyncio

from bridge_link.patience import Patience


async def test_what_is_waited_for_too_long_is_ended_in_the_order_in_which_it_began() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    patience = Patience(asyncio.get_running_loop(), 0.01, ended.put_nowait)
    for name in ("first", "came in time", "second"):
        patience.begin(name)
    patience.forget("came in time")
    async with asyncio.timeout(10):
        assert [await ended.get(), await ended.get()] == ["first", "second"]


async def test_after_a_pause_it_waits_again() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    patience = Patience(asyncio.get_running_loop(), 0.01, ended.put_nowait)
    async with asyncio.timeout(10):
        for name in ("one", "another"):
            patience.begin(name)
            assert await ended.get() == name


async def test_once_stopped_it_ends_nothing_that_began_before() -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    patience = Patience(asyncio.get_running_loop(), 0.01, ended.put_nowait)
    patience.begin("before")
    patience.stop()
    patience.begin("after")
    async with asyncio.timeout(10):
        assert await ended.get() == "after"
    assert ended.empty()
