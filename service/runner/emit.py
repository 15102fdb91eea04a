"""Chunks in, numbered events out: the order of the event ladder lives here. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.item_pb2 import ContentPart, Item, Message, Reasoning, TokenLogprob
from nodexa.v1.response_pb2 import Response, Usage

from service.errors import NodexaError
from service.ids import NewId
from service.model.custom_input import CustomInput
from service.model.model import Chunk, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from service.model.offers import Offer
from service.runner.calls import CALL_KINDS, begun_call, call_of, done_event
from service.runner.lifecycle import TERMINAL_EVENT, advance
from service.runner.parts import TEXT_KINDS, part_of


@dataclass(slots=True)
class _Growing:
    """What an open item has gathered since it was opened."""

    kind: str
    item_id: str
    pieces: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    decoder: CustomInput | None = None


class Emitter:
    """Tells the story of one response. Each method returns the batch of events that its argument led to.

    `response` is the state that the events so far fold to; it grows with them. `used_call_ids` are those of the
    conversation so far: a model server that repeats one gets a fresh one in its place. `offers` are the tools by the
    names that the model knows them by.
    """

    def __init__(
        self,
        response: Response,
        *,
        new_id: NewId,
        next_sequence: int = 0,
        used_call_ids: Iterable[str] = (),
        offers: Mapping[str, Offer] | None = None,
    ) -> None:
        self.response = response
        self.next_sequence = next_sequence
        self._new_id = new_id
        self._call_ids = set(used_call_ids)
        self._offers = offers or {}
        self._batch = EventBatch()
        self._growing: dict[int, _Growing] = {}
        self._calls: dict[int, int] = {}
        self._text_index: int | None = None
        self._tell: dict[type, Callable[[Any], None]] = {
            TextDelta: self._text,
            ReasoningDelta: self._reasoning,
            RefusalDelta: self._refusal,
            ToolCallDelta: self._call,
        }

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
        return self._take()

    def feed(self, chunks: Sequence[Chunk]) -> EventBatch:
        """What the model wrote; chunks that are not output are somebody else's."""
        for chunk in chunks:
            tell = self._tell.get(type(chunk))
            if tell is not None:
                tell(chunk)
        return self._take()

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
            self._add(error=self.response.error)
        self._snapshot(TERMINAL_EVENT[status])
        return self._take()

    def _text(self, chunk: TextDelta) -> None:
        self._grow("output_text", chunk.text, chunk.logprobs)

    def _reasoning(self, chunk: ReasoningDelta) -> None:
        self._grow("reasoning_text", chunk.text)

    def _refusal(self, chunk: RefusalDelta) -> None:
        self._grow("refusal", chunk.text)

    def _grow(self, kind: str, text: str, logprobs: Sequence[TokenLogprob] = ()) -> None:
        if not text:
            return
        index = self._text_index
        if index is None or self._growing[index].kind != kind:
            index = self._open_text(kind)
        growing = self._growing[index]
        growing.pieces.append(text)
        # By far the most frequent event: filled in place, since a dictionary in between costs more than all the rest.
        event = self._batch.events.add()
        event.sequence_number = self.next_sequence
        self.next_sequence += 1
        delta = getattr(event, TEXT_KINDS[kind].delta)
        delta.item_id = growing.item_id
        delta.output_index = index
        delta.delta = text
        if logprobs:
            growing.logprobs.extend(logprobs)
            delta.logprobs.extend(logprobs)

    def _open_text(self, kind: str) -> int:
        self._close_text()
        if kind == "reasoning_text":
            item = Item(id=self._new_id("rs"), reasoning=Reasoning())
        else:
            item = Item(id=self._new_id("msg"), message=Message(role=Message.ROLE_ASSISTANT))
        index = self._text_index = self._open(item, kind)
        part = part_of(kind, "")
        self._add(content_part_added={"item_id": item.id, "output_index": index, "part": part})
        return index

    def _call(self, chunk: ToolCallDelta) -> None:
        index = self._calls.get(chunk.index)
        if index is None:
            self._close_text()
            index = self._calls[chunk.index] = self._open_call(chunk)
        growing = self._growing[index]
        decoder = growing.decoder
        self._grow_call(index, growing, decoder.feed(chunk.arguments) if decoder else chunk.arguments)

    def _open_call(self, chunk: ToolCallDelta) -> int:
        item = begun_call(chunk.name, self._call_id(chunk.call_id), self._offers.get(chunk.name))
        kind = str(item.WhichOneof("kind"))
        item.id = self._new_id(CALL_KINDS[kind].prefix)
        index = self._open(item, kind)
        if kind == "custom_tool_call":
            self._growing[index].decoder = CustomInput()
        return index

    def _grow_call(self, index: int, growing: _Growing, text: str) -> None:
        if text:
            growing.pieces.append(text)
            piece = {"item_id": growing.item_id, "output_index": index, "delta": text}
            self._add(**{CALL_KINDS[growing.kind].delta: piece})

    def _call_id(self, given: str) -> str:
        call_id = given if given and given not in self._call_ids else self._new_id("call")
        self._call_ids.add(call_id)
        return call_id

    def _open(self, item: Item, kind: str) -> int:
        index = len(self.response.output)
        item.status = Item.STATUS_IN_PROGRESS
        self.response.output.append(item)
        self._growing[index] = _Growing(kind, item.id)
        self._add(output_item_added={"output_index": index, "item": item})
        return index

    def _close_text(self) -> None:
        if self._text_index is not None:
            self._close(self._text_index, Item.STATUS_COMPLETED)
            self._text_index = None

    def _close_all(self, status: Item.Status.ValueType) -> None:
        for index, item in enumerate(self.response.output):
            if item.status == Item.STATUS_IN_PROGRESS:
                self._close(index, status)
        self._text_index = None
        self._calls.clear()

    def _close(self, index: int, status: Item.Status.ValueType) -> None:
        item = self.response.output[index]
        growing = self._growing.pop(index, None)
        if call := call_of(item):
            if growing is not None:
                self._grow_call(index, growing, growing.decoder.rest() if growing.decoder else "")
                setattr(call, CALL_KINDS[growing.kind].text, "".join(growing.pieces))
            self._add(**done_event(item, index))
        else:
            parts = item.reasoning.content if item.HasField("reasoning") else item.message.content
            if growing is not None:
                parts.append(part_of(growing.kind, "".join(growing.pieces), growing.logprobs))
            for content_index, part in enumerate(parts):
                self._part_done(index, item.id, content_index, part)
        item.status = status
        self._add(output_item_done={"output_index": index, "item": item})

    def _part_done(self, index: int, item_id: str, content_index: int, part: ContentPart) -> None:
        kind = TEXT_KINDS[str(part.WhichOneof("kind"))]
        content = getattr(part, kind.part)
        place = {"item_id": item_id, "output_index": index, "content_index": content_index}
        done = {**place, "text": getattr(content, kind.text), "logprobs": getattr(content, "logprobs", ())}
        self._add(**{kind.done: done})
        self._add(content_part_done={**place, "part": part})

    def _snapshot(self, kind: str) -> None:
        self._add(**{kind: {"response": self.response}})

    def _add(self, **kind: Any) -> None:
        self._batch.events.add(sequence_number=self.next_sequence, **kind)
        self.next_sequence += 1

    def _take(self) -> EventBatch:
        batch, self._batch = self._batch, EventBatch()
        return batch
