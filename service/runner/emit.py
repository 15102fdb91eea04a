"""Chunks in, numbered events out: the order of the event ladder lives here and in what it is put together from.

No I/O: `writing` tells what the model says, `calling` what it calls, `passing` what goes out as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, Usage

from service.errors import NodexaError
from service.ids import NewId
from service.model.chunk import (
    Annotation,
    Chunk,
    MessageEnd,
    OutputItem,
    PassEnd,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    Status,
    SummaryDelta,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from service.model.offers import Offer
from service.runner.calling import Calling
from service.runner.calls import call_of, done_event
from service.runner.lifecycle import TERMINAL_EVENT, advance
from service.runner.log import segment_of
from service.runner.parts import part_left_open
from service.runner.passing import Passing, cut_short
from service.runner.tale import Tale
from service.runner.writing import Sealing, Writing, end_part
from service.store.records import Segment


class Emitter:
    """Tells the story of one response. Each method returns the batch of events that its argument led to.

    `response` is the state that the events so far fold to; it grows with them. `used_call_ids` are those of the
    conversation so far: a model server that repeats one gets a fresh one in its place. `offers` are the tools by the
    names that the model knows them by. `seal` closes the thinking that is over for whoever may not read it. `logprobs`:
    they were asked for; some model servers send them unasked.
    """

    def __init__(
        self,
        response: Response,
        *,
        new_id: NewId,
        next_sequence: int = 0,
        used_call_ids: Iterable[str] = (),
        offers: Mapping[str, Offer] | None = None,
        seal: Sealing | None = None,
        logprobs: bool = True,
    ) -> None:
        self.response = response
        self._tale = Tale(response, next_sequence=next_sequence, new_id=new_id)
        self._writing = Writing(self._tale, seal, logprobs=logprobs)
        self._passing = Passing(self._tale)
        self._offers = offers or {}
        self._used_call_ids = used_call_ids
        self._calling: Calling | None = None

    @property
    def next_sequence(self) -> int:
        """The number of the event that comes next."""
        return self._tale.next_sequence

    def begin(self) -> EventBatch:
        """`created` and `in_progress`; a background response is queued in between."""
        if self.response.status == Response.STATUS_QUEUED:
            self._snapshot("created")
            self._snapshot("queued")
            advance(self.response, Response.STATUS_IN_PROGRESS)
        else:
            advance(self.response, Response.STATUS_IN_PROGRESS)
            self._snapshot("created")
        self._snapshot("in_progress")
        return self._tale.take()

    def take_up(self, adopted: Mapping[int, int]) -> EventBatch:
        """Goes on with a log that broke off: what another emitter left open ends as incomplete.

        The items at the places in `adopted` stay open, for OutputItems of those numbers.
        """
        for number, place in adopted.items():
            self._passing.adopt(number, place)
        for index, item in enumerate(self.response.output):
            if item.status == Item.STATUS_IN_PROGRESS and index not in adopted.values():
                self._close_left(index, item)
        return self._tale.take()

    def feed(self, chunks: Sequence[Chunk]) -> EventBatch:
        """What the model wrote; chunks that are not output are somebody else's."""
        for chunk in chunks:
            way = _WAYS.get(type(chunk))
            if way is not None:
                if self._calling is not None and self._calling.busy and not self._may_pass(chunk):
                    self._calling.hold(chunk)
                else:
                    way(self, chunk)
        return self._tale.take()

    def tell(self, chunks: Sequence[Chunk]) -> Segment | None:
        """As `feed`, serialized; None where the chunks lead to no event."""
        if len(chunks) == 1 and type(chunk := chunks[0]) is TextDelta and (alone := self.tell_alone(chunk)):
            return alone
        batch = self.feed(chunks)
        return segment_of(batch) if batch.events else None

    def tell_alone(self, chunk: TextDelta) -> Segment | None:
        """As `tell`, of more of an answer that has begun; None where it is anything else, which is still to be told."""
        if self._calling is not None or chunk.logprobs:
            return None
        return self._writing.text_alone(chunk.text)

    def finish(
        self,
        status: Response.Status.ValueType,
        *,
        now: int,
        usage: Usage | None = None,
        reason: str = "",
        error: NodexaError | None = None,
    ) -> EventBatch:
        """The end: what is open is closed, an error is told, and the one terminal event follows.

        `now` is in milliseconds since 1970; `reason` is the word of incomplete_details.
        """
        cut = status not in (Response.STATUS_COMPLETED, Response.STATUS_REQUIRES_ACTION)
        self._close_all(Item.STATUS_INCOMPLETE if cut else Item.STATUS_COMPLETED)
        advance(self.response, status)
        self.response.complete_time.FromMilliseconds(now)
        if usage is not None:
            self.response.usage.CopyFrom(usage)
        if reason:
            self.response.incomplete_details.reason = reason
        if error is not None:
            self.response.error.code = error.code
            self.response.error.message = error.message
            self.response.error.param = error.param
            self._tale.add(error=self.response.error)
        self._snapshot(TERMINAL_EVENT[status])
        # It leads back here; a response in a cycle would wait for the garbage collector, which comes seldom.
        self._calling = None
        return self._tale.take()

    def _pass_on(self, chunk: OutputItem) -> None:
        if not self._passing.is_open(chunk.index):
            self._writing.close()
        self._passing.pass_on(chunk)

    def _end_pass(self, _: PassEnd) -> None:
        if self._calling is not None:
            self._calling.close(Item.STATUS_COMPLETED)
        self._writing.close()
        self._passing.close()

    def _call(self, chunk: ToolCallDelta) -> None:
        # Made for the first call: most responses have none.
        if self._calling is None:
            self._calling = Calling(
                self._tale,
                offers=self._offers,
                used_call_ids=self._used_call_ids,
                play=lambda chunk: _WAYS[type(chunk)](self, chunk),
                make_way=self._writing.close,
            )
        self._calling.call(chunk)

    def _status(self, chunk: Status) -> None:
        self._tale.add(status={"status": chunk.word})

    def _may_pass(self, chunk: Chunk) -> bool:
        """Whether a chunk need not wait for the call that is open."""
        if isinstance(chunk, OutputItem):
            return self._passing.is_open(chunk.index)
        return isinstance(chunk, (ToolCallDelta, Status, PassEnd))

    def _close_all(self, status: Item.Status.ValueType) -> None:
        if self._calling is not None:
            self._calling.close(status)
        self._writing.close(status)
        self._passing.close()
        for index, item in enumerate(self.response.output):
            if item.status == Item.STATUS_IN_PROGRESS:
                self._close_left(index, item)

    def _close_left(self, index: int, item: Item) -> None:
        """Ends an item of a log that broke off: another emitter began it."""
        if call_of(item):
            self._tale.add(**done_event(item, index))
        elif open_part := part_left_open(item):
            end_part(self._tale, index, *open_part)
        else:
            cut_short(item)
        self._tale.end(index, Item.STATUS_INCOMPLETE)

    def _snapshot(self, kind: str) -> None:
        getattr(self._tale.event(), kind).response.CopyFrom(self.response)


# By the type of chunk, for all emitters: a table for each would lead back to it.
_WAYS: Final[Mapping[type, Callable[[Emitter, Any], None]]] = MappingProxyType(
    {
        TextDelta: lambda emitter, chunk: emitter._writing.text(chunk),
        TextRun: lambda emitter, chunk: emitter._writing.run(chunk),
        RefusalDelta: lambda emitter, chunk: emitter._writing.refusal(chunk),
        MessageEnd: lambda emitter, chunk: emitter._writing.end_message(chunk),
        ReasoningDelta: lambda emitter, chunk: emitter._writing.reasoning(chunk),
        SummaryDelta: lambda emitter, chunk: emitter._writing.summary(chunk),
        ReasoningEnd: lambda emitter, chunk: emitter._writing.end_reasoning(chunk),
        Annotation: lambda emitter, chunk: emitter._writing.annotate(chunk),
        OutputItem: Emitter._pass_on,
        ToolCallDelta: Emitter._call,
        Status: Emitter._status,
        PassEnd: Emitter._end_pass,
    }
)
