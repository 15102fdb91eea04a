"""What becomes of something that the writer was asked for: less than a future, and a turn of the loop sooner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class Written(Generic[T]):
    """Can be awaited, by one task. Who is cancelled there ends the waiting, and not the writing.

    `done` says that it is over, `result` how: it returns what the job returned or raises what it raised.
    """

    __slots__ = ("_loop", "_otherwise", "_outcome", "_then", "_waiter", "done")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done = False
        self._loop = loop
        self._outcome: T | Exception | None = None
        self._then: Callable[[], None] | None = None
        self._otherwise: Callable[[Exception], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done:
            yield from self.over()
        return self.result()

    @property
    def failed(self) -> bool:
        """Whether it is over and came to nothing."""
        return isinstance(self._outcome, Exception)

    def over(self) -> asyncio.Future[None]:
        """Done when this is, whatever came of it."""
        self._waiter = self._loop.create_future()
        if self.done:
            self._waiter.set_result(None)
        return self._waiter

    def then(self, call: Callable[[], None], otherwise: Callable[[Exception], None] | None = None) -> None:
        """Has `call` called once it's on disk, before whoever waits goes on; where it failed `otherwise`, with why."""
        self._then, self._otherwise = call, otherwise

    def result(self) -> T:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome  # type: ignore[return-value]

    def settle(self, outcome: T | Exception) -> None:
        """For the writer: says what came of it."""
        self._outcome, self.done = outcome, True
        if self._then is not None:
            try:
                if not isinstance(outcome, Exception):
                    self._then()
                elif self._otherwise is not None:
                    self._otherwise(outcome)
            except Exception:
                # It is not the writer's, and others of the same transaction wait.
                log.exception("a write was told of and a bug came of it")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
