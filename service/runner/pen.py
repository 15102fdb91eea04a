"""Writes the log of one run, segment behind segment; what comes while one is on its way goes with the next.

Who tells needn't wait for the disk each time, but hears of what became of a segment when it tells more, or asks.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from service.model.model import Wait
from service.runner.log import EventLog, joined
from service.store.records import Segment
from service.store.responses import ResponseStore
from service.store.unposted import Unposted
from service.store.written import Written

MOST_WAITING: Final = 32 * 1024
"""Bytes that wait for the disk before who tells more has to wait for it, too."""


class Pen:
    """Appends to `log` what `store` has written of the response, or at once where that is None."""

    def __init__(self, log: EventLog, store: ResponseStore | None, response_id: str) -> None:
        self._log = log
        self._store = store
        self._response_id = response_id
        self.unposted = Unposted()
        self._asked: tuple[Segment, Written[None]] | None = None
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
        """Has it written; returns what to wait for before more is told, None for nothing.

        That raises what the store raised of what was asked for before, and keeps the segment back behind that.
        """
        self._held = False
        if self._store is None:
            self._log.show(segment)
        elif self._asked is None:
            self._ask(self._store, segment)
        else:
            self._unwritten = segment
            if self._asked[1].done or len(segment.data) > MOST_WAITING:
                return self._settled
        return None

    async def close(self) -> None:
        """Returns when nothing is on its way any more: what waits is kept back for the end. Raises as `write`."""
        self._held = True
        await self._settled()

    async def _settled(self) -> None:
        while (asked := self._asked) is not None:
            segment, written = asked
            if not written.done:
                await written.over()
            # What was written is not asked for any more.
            if self._asked is asked:
                self._asked = None
                self._unwritten = joined(segment, self._unwritten) if self._unwritten else segment
                written.result()

    def _ask(self, store: ResponseStore, segment: Segment) -> None:
        written = store.append(self._response_id, segment, self.unposted)
        self._asked = segment, written
        written.then(partial(self._go_on, store, segment))

    def _go_on(self, store: ResponseStore, written: Segment) -> None:
        self._asked = None
        self._log.show(written)
        told = self._unwritten
        if told is not None and not self._held:
            self._unwritten = None
            self._ask(store, told)
