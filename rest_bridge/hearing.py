"""How long a client is listened to: what came while this process stood still is read before its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

GLANCE: Final = 0.01
"""Seconds. uvloop calls its timers before it reads: whoever is called has yet to see what is there."""


def grace(loop: asyncio.AbstractEventLoop, due: float) -> float:
    """The seconds that are given to what was due at `due`, by the loop's clock: those in which nobody listened, too."""
    return GLANCE + max(loop.time() - due, 0)


@asynccontextmanager
async def heard_within(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout` with that grace. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    due = loop.time() + seconds
    async with asyncio.timeout(None) as limit:
        timer = loop.call_at(due, lambda: limit.reschedule(loop.time() + grace(loop, due)))
        try:
            yield
        finally:
            timer.cancel()


class Deadline:
    """When a client must have done something. It holds nobody but while it runs."""

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float, end: Callable[[], None]) -> None:
        """Calls `end` in so many seconds and that grace, whatever was to be called before."""
        self.stop()
        due = self._loop.time() + seconds
        self._timer = self._loop.call_at(due, self._look, due, end)

    def stop(self) -> None:
        """It was done, or isn't waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, due: float, end: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(grace(self._loop, due), self._fire, end)

    def _fire(self, end: Callable[[], None]) -> None:
        self._timer = None
        end()
