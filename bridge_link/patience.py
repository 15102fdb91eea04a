"""How long is waited for things that are all given the same time: one timer for all of them, as each costs its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Patience(Generic[K]):
    """Calls `end` for what has been waited for since `seconds`. Those who come later are due later."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, end: Callable[[K], object]) -> None:
        self._loop: Final = loop
        self._seconds = seconds
        self._end = end
        self._due: dict[K, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, key: K) -> None:
        """Waits for it from now on."""
        due = self._due[key] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._look)

    def forget(self, key: K) -> None:
        """Waits for it no more."""
        self._due.pop(key, None)

    def stop(self) -> None:
        """Waits for nothing any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        late = []
        for key, due in self._due.items():
            if due > now:
                self._timer = self._loop.call_at(due, self._look)
                break
            late.append(key)
        for key in late:
            del self._due[key]
        for key in late:
            self._end(key)
