"""A run that nobody reads before its end, and whose answer comes whole: written once where that is soon.

Its beginning waits a moment to be written: a call that is answered meanwhile has seen nothing of it, nor has anybody
else, since nobody was told its id. What is still under way then is on disk, so that a crash is told of truthfully.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.model.model import Chunk, FinishReason
from service.runner.lifecycle import advance
from service.runner.run import FIRST_READER_SECONDS, Run
from service.runner.whole import BEGINNING, tell_beginning, tell_end, text_alone
from service.store.records import Segment
from service.store.requests import Named
from service.store.responses import ResponseStore
from service.store.written import Written

BEGINNING_WAITS: Final = 0.1
"""Seconds for which the beginning waits to be written together with the end."""

log = logging.getLogger(__name__)


class UnreadRun(Run):
    """As Run, for a turn that doesn't stream, of a model that answers at once, with nothing before or behind it."""

    _input = b""
    _beginning: Segment | None = None
    _late: asyncio.Task[None] | None = None
    _due: asyncio.TimerHandle | None = None

    @property
    def hidden(self) -> bool:
        """Whether nothing of it is on disk yet."""
        return self._beginning is not None and not self.log.segments

    async def begin(self, input_items: bytes, named: Named | None = None) -> None:
        """Lets the model start. Raises NodexaError `storage_unavailable` where it's known that nothing can be written.

        One that can be found by the name of its request is written first, as other runs are.
        """
        if named is not None or (self._store is not None and self._store.troubled):
            await super().begin(input_items, named)
            return
        advance(self.response, Response.STATUS_IN_PROGRESS)
        self._teller.told = BEGINNING
        self._input, self._beginning = input_items, tell_beginning(self.response)
        if self._store is None:
            self._go()
            return
        # Its caller, who waits for the answer, is its first reader: looked for when the beginning is due.
        self._start()
        self._due = asyncio.get_running_loop().call_later(BEGINNING_WAITS, self._begin_late)

    def _begin_late(self) -> None:
        if self._timer is None:
            self._mind_readers(at_least=FIRST_READER_SECONDS)
        if not self._ending and self._store is not None and self._beginning is not None:
            self._late = asyncio.create_task(self._write_beginning(self._store, self._beginning))

    async def _write_beginning(self, store: ResponseStore, beginning: Segment) -> None:
        try:
            await self.log.append(beginning, store.create(self.row, self.settings, self._input, beginning))
        except NodexaError as error:
            # Its end is written with it, or refused.
            log.error("%s can't be begun yet: %s", self.row.id, error.message)
        except Exception:
            log.exception("%s can't be begun by a bug", self.row.id)
        else:
            self._beginning = None

    async def _work(self) -> Segment:
        shown: list[Chunk] = []
        try:
            await self._turn.at_once(shown)
        except BaseException:
            self._unwritten = self._emitter.feed(shown)
            raise
        text = text_alone(shown)
        if text and self._turn.reason is FinishReason.STOP:
            return self._finish_with(text)
        self._unwritten = self._emitter.feed(shown)
        return self._conclude()

    def _finish_with(self, text: str) -> Segment:
        self._ending = True
        item_id = self._teller.new_id("msg")
        segment, self.result = tell_end(self.response, text, self._turn.usage, item_id=item_id, now=self._clock())
        return segment

    async def _end(self, segment: Segment) -> None:
        if self._due is not None:
            self._due.cancel()
        if self._late is not None:
            await self._late
        if self._beginning is None:
            await super()._end(segment)
            return
        whole = Segment(self._beginning.first, segment.last, self._beginning.data + segment.data)
        try:
            await self.log.append(whole, self._write_whole(self._store, whole) if self._store else None, last=True)
        except NodexaError as error:
            log.error("%s can't be written: %s", self.row.id, error.message)
            self.refusal = error.bare()
            self.log.abandon()
        except Exception:
            log.exception("%s can't be written by a bug", self.row.id)
            self.refusal = NodexaError("internal_error", "The platform failed; the operator's log says how.")
            self.log.abandon()
        self._mind_readers()

    def _write_whole(self, store: ResponseStore, whole: Segment) -> Written[None]:
        return store.add(self.row, self.settings, self._input, whole, **self._ended())
