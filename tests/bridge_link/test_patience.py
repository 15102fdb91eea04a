"""One timer does for all that are given the same time: each is called when its own is over, unless it was forgotten."""

from __future__ import annotations

import asyncio

from bridge_link.patience import Patience

SECONDS = 0.05


async def test_each_is_called_once_when_its_time_is_over_and_in_its_turn() -> None:
    loop, late = asyncio.get_running_loop(), []
    patience = Patience[str](loop, SECONDS, lambda name: late.append((name, loop.time())))
    begun = {}
    for name in ("first", "second", "third"):
        begun[name] = loop.time()
        patience.begin(name)
        await asyncio.sleep(SECONDS / 2)
    await asyncio.sleep(3 * SECONDS)

    assert [name for name, _ in late] == ["first", "second", "third"]
    assert all(at - begun[name] >= SECONDS for name, at in late)


async def test_who_is_forgotten_is_not_called_and_the_others_are() -> None:
    late: list[str] = []
    patience = Patience[str](asyncio.get_running_loop(), SECONDS, late.append)
    for name in ("first", "second", "third"):
        patience.begin(name)
    patience.forget("first")
    patience.forget("third")
    patience.forget("nobody")
    await asyncio.sleep(3 * SECONDS)

    assert late == ["second"]


async def test_nobody_is_called_behind_the_stop() -> None:
    late: list[str] = []
    patience = Patience[str](asyncio.get_running_loop(), SECONDS, late.append)
    patience.begin("first")
    patience.stop()
    await asyncio.sleep(3 * SECONDS)

    assert late == []
