"""A run that nobody reads before its end, and whose answer comes whole: written once where that is soon.

While all goes well it is three calls and no task: the model is asked, its answer is read and written, and shown.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.ids import message_of
from service.model.chunk import Chunk, FinishReason
from service.runner.early import EarlyRun
from service.runner.ending import Ended, Stop, outcome
from service.runner.lifecycle import word
from service.runner.log import joined
from service.runner.whole import tell_end, text_alone
from service.store.records import Segment

_COMPLETED: Final = word(Response.STATUS_COMPLETED)


class UnreadRun(EarlyRun):
    """As EarlyRun, for a turn that doesn't stream, of a model that answers at once."""

    _bug: Exception | None = None
    _plain: Ended | None = None

    def _start(self) -> None:
        try:
            asked = self._turn.ask(self._answered)
        except Exception:  # noqa: BLE001 - a task asks again, and the same is told by it
            asked = False
        if not asked:
            super()._start()
        self.begun = True

    def _answered(self) -> None:
        """Ends what came whole and plain; else it goes on in a task."""
        if self._task is not None:
            return
        try:
            text = self._turn.plain()
            segment = self._finish_with(text) if text else None
        except Exception as error:  # noqa: BLE001 - the task raises it
            self._bug, segment = error, None
        if segment is None:
            super()._start()
        elif self._late is not None or self._beginning is None:
            self._task = asyncio.Task(self._end(segment), loop=self._loop, name=self.row.id)
        else:
            self._put_off()
            self._end_at_once(joined(self._beginning, segment))

    def _end_at_once(self, whole: Segment) -> None:
        if self._store is None:
            self._show_whole(whole)
            return
        try:
            written = self._write_whole(self._store, whole)
        except Exception as error:  # noqa: BLE001 - what it is decides
            self._not_written(error)
        else:
            written.then(partial(self._show_whole, whole), self._not_written)

    def _show_whole(self, whole: Segment) -> None:
        self.log.show(whole, last=True)
        self._mind_readers()

    def _not_written(self, error: Exception) -> None:
        self._refuse_whole(error)
        self._mind_readers()

    async def _work(self) -> Segment:
        shown: list[Chunk] = []
        bug, self._bug = self._bug, None
        try:
            if bug is not None:
                raise bug
            await self._turn.write(shown.extend)
        except BaseException:
            self._keep(shown)
            raise
        text = text_alone(shown)
        if text and self._turn.reason is FinishReason.STOP:
            return self._finish_with(text)
        self._keep(shown)
        return self._finish(*outcome(self._turn, self._rounds))

    def stop(self, why: Stop) -> None:
        super().stop(why)
        if self._task is None and not self._ending and not self.log.closed:
            super()._start()

    def _stopped(self, why: Stop) -> Segment:
        self._turn.give_up()
        return super()._stopped(why)

    def _give_up(self) -> None:
        self._turn.give_up()
        super()._give_up()

    def _keep(self, shown: list[Chunk]) -> None:
        if told := self._emitter.tell(shown):
            self._pen.hold(told)

    def _finish_with(self, text: str) -> Segment:
        self._ending = True
        item_id, now = message_of(self.row.id), self._clock()
        segment, self.result = tell_end(self.response, text, self._turn.usage, item_id=item_id, now=now)
        self._plain = {"status": _COMPLETED, "result": self.result, "finished_at": now, "item_ids": (item_id,)}
        return segment

    def _ended(self) -> Ended:
        # It need not be read from the response again.
        return self._plain or super()._ended()
