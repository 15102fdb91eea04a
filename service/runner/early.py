"""A run whose model is asked before its beginning is on disk: that is written with what comes next, where that is soon.

Until then it has shown nothing, and nobody was told its id. What is still silent after a moment is on disk then, so
that a crash is told of truthfully.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.model.model import Wait
from service.runner.attended import FIRST_READER_SECONDS
from service.runner.ending import RefusedError
from service.runner.lifecycle import advance
from service.runner.log import joined
from service.runner.run import Run
from service.runner.whole import BEGINNING, tell_beginning
from service.store.records import Segment
from service.store.requests import Named
from service.store.responses import ResponseStore
from service.store.written import Written

BEGINNING_WAITS: Final = 0.1
"""Seconds for which the beginning waits to be written, and shown, together with what comes next: see `begin_late`."""

log = logging.getLogger(__name__)


class EarlyRun(Run):
    """As Run, where nothing comes before the model's words or behind them."""

    _input = b""
    _beginning: Segment | None = None
    _late: asyncio.Task[None] | None = None
    _put_by = False

    @property
    def hidden(self) -> bool:
        """Whether nothing of it is on disk yet."""
        return self._beginning is not None and not self.log.segments

    async def begin(self, input_items: bytes, named: Named | None = None) -> None:
        """Lets the model start. Raises NodexaError `storage_unavailable` where it's known that nothing can be written.

        One that can be found by the name of its request is written first, as other runs are.
        """
        if named is not None or not self.begin_at_once(input_items):
            await super().begin(input_items, named)

    def begin_at_once(self, input_items: bytes) -> bool:
        if self._store is not None and self._store.troubled:
            return False
        advance(self.response, Response.STATUS_IN_PROGRESS)
        self._teller.told = BEGINNING
        self._input, self._beginning = input_items, tell_beginning(self.response)
        if self._store is None:
            self._go()
            return True
        # Its caller, who waits for the answer, is its first reader: looked for when the beginning is due.
        self._start()
        self._put_by = True
        return True

    def begin_late(self) -> None:
        if not self._put_by:
            return
        self._put_by = False
        self._expect_reader()
        if not self._ending and self._store is not None and self._beginning is not None:
            self._late = self._loop.create_task(self._write_beginning(self._store, self._beginning))

    async def _write_beginning(self, store: ResponseStore, beginning: Segment) -> None:
        try:
            await self._begin_log(store, beginning)
        except NodexaError as error:
            # Where the end is there already, it's written with it, or refused.
            if not self._ending:
                self._refuse(error)
                self._give_up()
        except Exception:
            log.exception("%s can't be begun by a bug", self.row.id)

    def _write(self, segment: Segment) -> Wait | None:
        # No step of its own for each batch.
        if self.log.segments:
            return self._pen.write(segment)
        # Kept where this is stopped meanwhile: it has its numbers already.
        self._pen.hold(segment)
        return self._write_first

    async def _write_first(self) -> None:
        if self._late is not None:
            await asyncio.wait((self._late,))
        segment = self._pen.take()
        if segment is None:
            return
        if self.log.segments or self._store is None or self._beginning is None:
            if (wait := self._pen.write(segment)) is not None:
                await wait()
            return
        self._put_off()
        begun = joined(self._beginning, segment)
        try:
            await self._begin_log(self._store, begun)
        except NodexaError as error:
            self._refuse(error)
            raise RefusedError from None

    async def _end(self, segment: Segment) -> None:
        self._put_off()
        if self._late is not None:
            await self._late
        if self.refusal is not None:
            return
        if self._beginning is None or self.log.segments:
            await super()._end(segment)
            return
        whole = joined(self._beginning, segment)
        try:
            await self.log.append(whole, self._write_whole(self._store, whole) if self._store else None, last=True)
        except Exception as error:  # noqa: BLE001 - what it is decides
            self._refuse_whole(error)
        self._mind_readers()

    def _refuse_whole(self, error: Exception) -> None:
        if not isinstance(error, NodexaError):
            log.error("%s can't be written by a bug", self.row.id, exc_info=error)
            error = NodexaError("internal_error", "The platform failed; the operator's log says how.")
        self._refuse(error)

    def _give_up(self) -> None:
        """Stops the work, and nothing follows."""
        if self._task is not None:
            self._task.cancel()

    def _put_off(self) -> None:
        """Leaves the beginning to who writes what comes next."""
        if self._put_by:
            self._put_by = False
            self._expect_reader()

    def _expect_reader(self) -> None:
        if self._timer is None:
            self._mind_readers(at_least=FIRST_READER_SECONDS)

    def _refuse(self, error: NodexaError) -> None:
        log.error("%s can't be written: %s", self.row.id, error.message)
        self.refusal = error.bare()
        self.log.abandon()

    async def _begin_log(self, store: ResponseStore, segment: Segment) -> None:
        await self.log.append(segment, store.create(self.row, self.settings, self._input, segment))
        self._pen.unposted.begin()

    def _write_whole(self, store: ResponseStore, whole: Segment) -> Written[None]:
        return store.add(self.row, self.settings, self._input, whole, **self._ended())
