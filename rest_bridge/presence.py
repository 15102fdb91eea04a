"""Work that ends when its client hangs up: uvicorn tells of a departure, but cancels nothing by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Final

DEPARTURE_KEY: Final = "nodexa.departure"
"""Where the server puts the Departure of a request's client in its ASGI scope."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientLeft(Exception):  # noqa: N818 - nothing failed
    """The client hung up; nobody waits for an answer."""


class Departure:
    """Tells those who want to know when a client has gone: by a call, since a task for each costs more than most."""

    def __init__(self) -> None:
        self.over = False
        self._told: set[Callable[[], object]] = set()

    def tell(self, leave: Callable[[], object]) -> None:
        """Has `leave` called when the client goes, or soon when it has gone."""
        if self.over:
            asyncio.get_running_loop().call_soon(leave)
        self._told.add(leave)

    def forget(self, leave: Callable[[], object]) -> None:
        """Nobody waits for it any more."""
        self._told.discard(leave)

    def happen(self) -> None:
        """The client has gone."""
        self.over = True
        for leave in list(self._told):
            leave()


class Presence:
    """A block that is cancelled, with a reason, from outside.

    `async with Presence(departure):` raises ClientLeft in place of what the block was waiting for once the client is
    gone, or what `end` was given. `beat` is called from time to time while the block runs, first at `due` (loop time);
    it returns when it is due again.
    """

    def __init__(
        self, departure: Departure, *, beat: Callable[[], Awaitable[float]] | None = None, due: float = 0
    ) -> None:
        self._departure = departure
        self._beat = beat
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None
        self._reason: Exception | None = None

    def end(self, reason: Exception) -> None:
        """Cancels the block; `reason` is raised where it ends. The first reason counts."""
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    async def __aenter__(self) -> Presence:
        self._task = asyncio.current_task()
        self._departure.tell(self._leave)
        if self._beat is not None:
            self._timer = self._loop.call_at(self._due, self._start_beat)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing of a departure may know itself: cycles are looked for seldom, and until then they hold it all.
        task, self._task = self._task, None
        reason, self._reason = self._reason, None
        pending = (self._timer, self._beating)
        self._timer = self._beating = self._beat = None
        self._departure.forget(self._leave)
        for one in pending:
            if one is not None:
                one.cancel()
        if reason is None or task is None:
            return
        if not isinstance(error, asyncio.CancelledError):
            # The block ended by itself in the very moment of its cancellation, which is still on its way.
            await _absorb_cancellation()
        task.uncancel()
        try:
            if error is None or isinstance(error, asyncio.CancelledError):
                raise reason from None
        finally:
            del reason

    def _leave(self) -> None:
        self.end(ClientLeft())

    def _start_beat(self) -> None:
        self._beating = self._loop.create_task(self._play_beat())

    async def _play_beat(self) -> None:
        if self._beat is not None:
            self._timer = self._loop.call_at(await self._beat(), self._start_beat)


async def _absorb_cancellation() -> None:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return
