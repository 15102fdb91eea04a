"""Writes the log of one run, segment behind segment; what comes while one is on its way goes with the next.

Who tells needn't wait for the disk each time, but hears of what became of a segment when it tells more, or asks.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from service.model.model import Wait
from service.runner.log import EventLog, joined
from service.store.records import Segment
from service.store.responses import ResponseStore
from service.store.unposted import Unposted

MOST_WAITING: Final = 32 * 1024
"""Bytes that wait for the disk before who tells more has to wait for it, too."""

log = logging.getLogger(__name__)


class Pen:
    """Appends to `log` what `store` has written of the response, or at once where that is None."""

    def __init__(self, log: EventLog, store: ResponseStore | None, response_id: str) -> None:
        self._log = log
        self._store = store
        self._response_id = response_id
        self.unposted = Unposted()
        self._on_way: Segment | None = None
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unwritten: Segment | None = None
        self._held = False

    def hold(self, segment: Segment) -> None:
        """Keeps a segment back, to be taken or written with what comes behind it."""
        self._unwritten, self._held = self.behind(segment), True

    def take(self) -> Segment | None:
        """What was kept back."""
        kept, self._unwritten = self._unwritten, None
        return kept

    def behind(self, segment: Segment) -> Segment:
        """The segment behind what is not written yet, which is taken by that."""
        if self._unwritten is None:
            return segment
        before, self._unwritten = self._unwritten, None
        return joined(before, segment)

    def write(self, segment: Segment) -> Wait | None:
        """Has it written behind what isn't yet; returns what to wait for before more is told, None for nothing.

        That raises what the store raised of what was asked for before, and keeps the segment back behind that.
        """
        self._held = False
        if self._unwritten is not None:
            segment = self.behind(segment)
        if self._store is None:
            self._log.show(segment)
        elif self._on_way is None:
            self._on_way = segment
            self._store.tell(self._response_id, segment, self, self.unposted)
        else:
            self._unwritten = segment
            if self._failure is not None or len(segment.data) > MOST_WAITING:
                return self._settled
        return None

    async def close(self) -> None:
        """Returns when nothing is on its way any more: what waits is kept back for the end. Raises as `write`."""
        self._held = True
        await self._settled()

    def settle(self, outcome: Any) -> None:
        """For the store: says what became of the segment on its way."""
        segment = self._on_way
        if outcome is not None or segment is None:
            self._failure = outcome
        else:
            self._on_way = None
            try:
                self._log.show(segment)
            except Exception:
                # It is not the writer's, and others of the same transaction wait.
                log.exception("%s was shown something and a bug came of it", self._response_id)
            if self._unwritten is not None and not self._held:
                told, self._unwritten = self._unwritten, None
                self.write(told)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _settled(self) -> None:
        while (segment := self._on_way) is not None:
            if self._failure is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            # What was written is not asked for any more.
            if self._failure is not None and self._on_way is segment:
                failure, self._failure, self._on_way = self._failure, None, None
                self._unwritten = joined(segment, self._unwritten) if self._unwritten else segment
                raise failure
