"""When an exchange with a model server is late: one timer for many exchanges, moved on when it fires."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.model.http_errors import HttpError, IdleTimeoutError, TotalTimeoutError


class ExchangeClock:
    """The times of one connection's exchanges, one after the other, in the loop's seconds; `call` is called when one
    may be late. `heard` is when the server was last heard of, `until` when it must be over.
    """

    __slots__ = ("_call", "_due", "_idle_timeout", "_loop", "_timer", "heard", "until")

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self.heard = 0.0
        self._loop = loop
        self._call = call
        self._idle_timeout = 0.0
        self.until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def begin(self, *, idle_timeout: float, until: float) -> None:
        """An exchange begins: what comes of it may be `idle_timeout` apart, and it must be over when it's `until`."""
        self._idle_timeout, self.until, self.heard = idle_timeout, until, self._loop.time()
        self._mind(min(self.heard + idle_timeout, until))

    def late(self) -> HttpError | None:
        """What is late, for whoever was called; where nothing is, there is another call when something may be."""
        now, silent = self._loop.time(), self.heard + self._idle_timeout
        if now < min(silent, self.until):
            self._mind(min(silent, self.until))
            return None
        if now >= self.until:
            return TotalTimeoutError("not over in time")
        return IdleTimeoutError(f"nothing for {self._idle_timeout} s")

    def stop(self) -> None:
        """Calls nobody any more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _mind(self, due: float) -> None:
        # Cheaper than a timer for each exchange, or for each arrival.
        if self._timer is None or due < self._due:
            self.stop()
            self._timer, self._due = self._loop.call_at(due, self._fire), due

    def _fire(self) -> None:
        self._timer = None
        self._call()
