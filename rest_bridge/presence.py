"""Work that ends when its client hangs up: uvicorn tells of a departure, but cancels nothing by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientLeft(Exception):  # noqa: N818 - nothing failed
    """The client hung up; nobody waits for an answer."""


class Presence:
    """A block that is cancelled, with a reason, from outside.

    `async with Presence(receive):` raises ClientLeft in place of what the block was waiting for once the client is
    gone, or what `end` was given. The request's body must have been read, or need none. `beat` is called from time to
    time while the block runs, first at `due` (loop time); it returns when it is due again.
    """

    def __init__(
        self, receive: Receive, *, beat: Callable[[], Awaitable[float]] | None = None, due: float | None = None
    ) -> None:
        self._receive = receive
        self._beat = beat
        self._due = due
        self._reason: Exception | None = None
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def end(self, reason: Exception) -> None:
        """Cancels the block; `reason` is raised where it ends. The first reason counts."""
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    async def __aenter__(self) -> Presence:
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._watcher is not None:
            self._watcher.cancel()
        if self._reason is None or task is None:
            return
        if not isinstance(error, asyncio.CancelledError):
            # The block ended by itself in the very moment of its cancellation, which is still on its way.
            await _absorb_cancellation()
        task.uncancel()
        if error is None or isinstance(error, asyncio.CancelledError):
            raise self._reason from None

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout_at(self._due):
                    message = await self._receive()
            except TimeoutError:
                if self._beat is not None:
                    self._due = await self._beat()
                continue
            if message["type"] == "http.disconnect":
                self.end(ClientLeft())
                return


async def _absorb_cancellation() -> None:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        return
