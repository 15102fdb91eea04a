"""The calls that are open now: bounded in number, and ended when their key stops working."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Protocol

from service.errors import NodexaError

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the keys; one look is one question to the database, for all of them."""
WRITE_SECONDS: Final = 3.0
"""How long a call whose client is slow to read has to be told why it ends; then it is cut."""
ENDED: Final = "The API key stopped working: it was revoked, or its organization is disabled."

Working = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Ids of keys → those of them that work still."""

log = logging.getLogger(__name__)


class Open(Protocol):
    """A call that can be ended from outside.

    `writing` is set while the transport has its last message: it isn't at its own code then. `ends` is set once it is
    to end.
    """

    key_id: str
    ends: bool
    writing: bool

    def cut(self) -> None:
        """Breaks it off, if it is open still."""


class OpenCall:
    """One call, for as long as a block of its task lasts. Raises NodexaError `invalid_api_key` there once it is cut."""

    ends = False
    writing = False
    _task: asyncio.Task[Any] | None = None
    _cancelling = 0
    _cut = False

    def __init__(self, calls: OpenCalls, key_id: str) -> None:
        self.key_id = key_id
        self._calls = calls

    # No `asyncio.timeout` and no generator: this stands before every call.
    def __enter__(self) -> OpenCall:
        task = asyncio.current_task(self._calls.loop)
        if task is not None:
            self._task, self._cancelling = task, task.cancelling()
        self._calls.open.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        self._calls.open.discard(self)
        if not self._cut or task is None:
            return
        # One whom others have cancelled too is cancelled.
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise NodexaError("invalid_api_key", ENDED) from None

    def cut(self) -> None:
        """Breaks off what the block waits for, if it is open still."""
        if self._task is not None and not self._cut:
            self._cut = True
            self._task.cancel()

    def written(self) -> None:
        """Says that the transport took the message. Raises NodexaError `invalid_api_key` in a call that ends."""
        self.writing = False
        if self.ends:
            raise NodexaError("invalid_api_key", ENDED)


class OpenCalls:
    """Watches the calls of all keys, which are `open`; at most `most` at a time."""

    def __init__(self, working: Working, *, most: int) -> None:
        # Asking which loop runs costs a call of the system each time.
        self.loop = asyncio.get_running_loop()
        self.open: set[Open] = set()
        self._working = working
        self._most = most

    @property
    def full(self) -> bool:
        """Whether there are as many as may be."""
        return len(self.open) >= self._most

    def expect_room(self) -> None:
        """Raises NodexaError `server_overloaded` when there are as many as may be."""
        if self.full:
            message = f"The core has {self._most} calls open, as many as it may have; try again soon."
            raise NodexaError("server_overloaded", message, retry_after=1)

    async def run(self) -> None:
        """Looks at the keys every second, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except NodexaError as error:
                log.error("whether keys still work can't be read, it is tried again: %s", error.message)
            except Exception:
                log.exception("whether keys still work can't be read by a bug")

    async def look(self) -> None:
        """Ends the calls of the keys that don't work any more."""
        keys = {call.key_id for call in self.open}
        if not keys:
            return
        for key_id in keys - await self._working(list(keys)):
            calls = [call for call in self.open if call.key_id == key_id and not call.ends]
            if calls:
                log.info("ending %d calls of the key %s, which stopped working", len(calls), key_id)
            for call in calls:
                self._end(call)

    def _end(self, call: Open) -> None:
        call.ends = True
        if call.writing:
            self.loop.call_later(WRITE_SECONDS, call.cut)
        else:
            call.cut()
