"""A run that nobody reads before its end, and whose answer comes whole: written once where that is soon."""

from __future__ import annotations

from service.model.chunk import Chunk, FinishReason
from service.runner.early import EarlyRun
from service.runner.whole import tell_end, text_alone
from service.store.records import Segment


class UnreadRun(EarlyRun):
    """As EarlyRun, for a turn that doesn't stream, of a model that answers at once."""

    async def _work(self) -> Segment:
        shown: list[Chunk] = []
        try:
            await self._turn.write(shown.extend)
        except BaseException:
            self._keep(shown)
            raise
        text = text_alone(shown)
        if text and self._turn.reason is FinishReason.STOP:
            return self._finish_with(text)
        self._keep(shown)
        return self._conclude()

    def _keep(self, shown: list[Chunk]) -> None:
        if told := self._emitter.tell(shown):
            self._pen.hold(told)

    def _finish_with(self, text: str) -> Segment:
        self._ending = True
        item_id = self._teller.new_id("msg")
        segment, self.result = tell_end(self.response, text, self._turn.usage, item_id=item_id, now=self._clock())
        return segment
