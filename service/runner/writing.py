"""What a model says and thinks, as events: messages and reasoning, of which one at most is open. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from nodexa.v1.item_pb2 import Item, Message, Reasoning, TokenLogprob

from service.model.chunk import (
    Annotation,
    MessageEnd,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    TextRun,
)
from service.runner.lone import place_of, told_alone
from service.runner.parts import TEXT_KINDS, part_of, parts_of, text_of
from service.runner.runs import fits
from service.runner.tale import Tale
from service.store.records import Segment

Sealing = Callable[[Reasoning], str]
"""Gets all thinking that is over, before that is told; its answer becomes the `encrypted_content`, empty for none."""

_NOWHERE: Final = -1
_THOUGHTS: Final = ("reasoning_text", "summary_text")


class Writing:
    """Tells of the one open message or reasoning item, and of its one open part."""

    def __init__(self, tale: Tale, seal: Sealing | None, *, logprobs: bool) -> None:
        self._tale = tale
        self._seal = seal
        self._tells_logprobs = logprobs
        self._index = _NOWHERE
        self._item_id = ""
        self._kind = ""
        self._place = 0
        self._place_said = b""
        self._summary = 0
        self._pieces: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._annotations: list[str] = []

    def text(self, chunk: TextDelta) -> None:
        """More of the answer."""
        self._grow("output_text", chunk.text, chunk.logprobs if self._tells_logprobs else ())

    def text_alone(self, text: str) -> Segment | None:
        """More of the answer as all that there is to tell, serialized; None where it begins something, or is empty."""
        if self._kind != "output_text" or not text:
            return None
        self._pieces.append(text)
        if not self._place_said:
            self._place_said = place_of(self._item_id, self._index, self._place)
        number = self._tale.next_sequence
        self._tale.next_sequence = number + 1
        return told_alone(number, self._place_said, text)

    def run(self, chunk: TextRun) -> None:
        """More of the answer, none of it empty."""
        if self._kind != "output_text":
            self._turn_to("output_text")
        if not fits(chunk.texts):
            for text in chunk.texts:
                self._grow("output_text", text)
            return
        self._pieces += chunk.texts
        # By far the most frequent: one event for all of it, with its place said once.
        tale = self._tale
        told = tale.event().output_text_deltas
        told.item_id = self._item_id
        told.deltas.extend(chunk.texts)
        if self._index:
            told.output_index = self._index
        if self._place:
            told.content_index = self._place
        tale.next_sequence += len(chunk.texts) - 1

    def refusal(self, chunk: RefusalDelta) -> None:
        """More of the refusal."""
        self._grow("refusal", chunk.text)

    def reasoning(self, chunk: ReasoningDelta) -> None:
        """More of the thinking."""
        self._grow("reasoning_text", chunk.text)

    def summary(self, chunk: SummaryDelta) -> None:
        """More of a summary, which stands in the item of the thinking that it sums up."""
        if not chunk.text:
            return
        if self._kind == "summary_text" and chunk.part != self._summary:
            self._end_part()
        self._summary = chunk.part
        self._grow("summary_text", chunk.text)

    def end_reasoning(self, chunk: ReasoningEnd) -> None:
        """The thinking is over; what the model wants to see again makes an item by itself where there was none."""
        if not self._is_thinking():
            if not chunk.encrypted_content:
                return
            self._begin("reasoning_text")
        if chunk.encrypted_content:
            self._item().reasoning.encrypted_content = chunk.encrypted_content
        self.close()

    def end_message(self, chunk: MessageEnd) -> None:
        """The message is over; where none is open there was nothing in it."""
        if self._index == _NOWHERE or self._is_thinking():
            return
        if chunk.phase:
            self._item().message.phase = chunk.phase
        self.close()

    def annotate(self, chunk: Annotation) -> None:
        """A citation in the text; where none is open, there is nothing that it could be about."""
        if self._kind != "output_text":
            return
        place = {"item_id": self._item_id, "output_index": self._index, "content_index": self._place}
        about = {"annotation_index": len(self._annotations), "annotation_json": chunk.json}
        self._annotations.append(chunk.json)
        self._tale.add(output_text_annotation_added={**place, **about})

    def close(self, status: Item.Status.ValueType = Item.STATUS_COMPLETED) -> None:
        """Ends the open item, if there is one."""
        if self._index == _NOWHERE:
            return
        self._end_part()
        if self._seal is not None and self._is_thinking():
            self._seal_thinking(self._item().reasoning, self._seal)
        self._tale.end(self._index, status)
        self._index = _NOWHERE

    def _grow(self, kind: str, text: str, logprobs: Sequence[TokenLogprob] = ()) -> None:
        if not text:
            return
        if self._kind != kind:
            self._turn_to(kind)
        self._pieces.append(text)
        # As frequent as tokens: filled in place, since a dictionary in between costs more than all the rest.
        tale = self._tale
        event = tale.batch.events.add()
        event.sequence_number = tale.next_sequence
        tale.next_sequence += 1
        described = TEXT_KINDS[kind]
        delta = getattr(event, described.delta)
        delta.item_id = self._item_id
        delta.output_index = self._index
        if self._place:
            setattr(delta, described.place, self._place)
        delta.delta = text
        if logprobs:
            self._logprobs.extend(logprobs)
            delta.logprobs.extend(logprobs)

    def _turn_to(self, kind: str) -> None:
        """Opens a part of that kind, in the open item where it belongs there."""
        # A summary goes with the thinking before it; thinking after a summary is new thinking.
        if kind == "summary_text" and self._is_thinking():
            self._end_part()
        else:
            self._begin(kind)
        self._begin_part(kind)

    def _begin(self, kind: str) -> None:
        self.close()
        if kind in _THOUGHTS:
            item = Item(id=self._tale.new_id("rs"), reasoning=Reasoning())
        else:
            item = Item(id=self._tale.message_id(), message=Message(role=Message.ROLE_ASSISTANT))
        self._item_id = item.id
        self._index = self._tale.begin(item)

    def _begin_part(self, kind: str) -> None:
        self._kind = kind
        self._place_said = b""
        self._place = len(parts_of(self._item(), kind))
        described = TEXT_KINDS[kind]
        added = getattr(self._tale.event(), described.part_added)
        added.item_id = self._item_id
        added.output_index = self._index
        setattr(added, described.place, self._place)
        getattr(added.part, kind).SetInParent()

    def _end_part(self) -> None:
        if not self._kind:
            return
        part = part_of(self._kind, "".join(self._pieces), self._logprobs, self._annotations)
        parts_of(self._item(), self._kind).append(part)
        end_part(self._tale, self._index, self._kind, self._place)
        self._kind = ""
        self._pieces.clear()
        self._logprobs.clear()
        self._annotations.clear()

    def _item(self) -> Item:
        return self._tale.response.output[self._index]

    def _is_thinking(self) -> bool:
        return self._index != _NOWHERE and self._item().HasField("reasoning")

    @staticmethod
    def _seal_thinking(reasoning: Reasoning, seal: Sealing) -> None:
        sealed = seal(reasoning)
        reasoning.ClearField("encrypted_content")
        if sealed:
            reasoning.encrypted_content = sealed


def end_part(tale: Tale, index: int, kind: str, place: int) -> None:
    """Tells that a part is over, as it stands in the response."""
    item, described = tale.response.output[index], TEXT_KINDS[kind]
    part = parts_of(item, kind)[place]
    done = getattr(tale.event(), described.done)
    done.text = text_of(part)
    if part.output_text.logprobs:
        done.logprobs.extend(part.output_text.logprobs)
    part_done = getattr(tale.event(), described.part_done)
    part_done.part.CopyFrom(part)
    for told in (done, part_done):
        told.item_id = item.id
        told.output_index = index
        setattr(told, described.place, place)
