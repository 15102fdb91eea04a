"""A response whose answer came whole and is nothing but text, and the log of it, made in one go. Pure.

What the emitter tells event by event is always the same nine events here; a test holds both to the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nodexa.v1.event_pb2 import (
    ContentPartEvent,
    EventBatch,
    OutputItemEvent,
    ResponseEvent,
    ResponseSnapshot,
    TextDelta,
)
from nodexa.v1.item_pb2 import ContentPart, Item, Message
from nodexa.v1.response_pb2 import Response, Usage

from service.model.chunk import Chunk
from service.model.chunk import TextDelta as Text
from service.runner.log import member
from service.store.records import Segment

# Numbers in names of ours: each look at a constant of a message's class costs as much as a call.
_EVENTS: Final = EventBatch.EVENTS_FIELD_NUMBER
_EVENTS_TAG: Final = _EVENTS << 3 | 2
_SHORT: Final = 128 - 4
_NUMBER_TAG: Final = ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3
_RESPONSE: Final = ResponseSnapshot.RESPONSE_FIELD_NUMBER
_ITEM: Final = OutputItemEvent.ITEM_FIELD_NUMBER
_ITEM_ID: Final = TextDelta.ITEM_ID_FIELD_NUMBER
_TEXT: Final = TextDelta.DELTA_FIELD_NUMBER
_PART: Final = ContentPartEvent.PART_FIELD_NUMBER
_EMPTY_TEXT: Final = member(_PART, member(ContentPart.OUTPUT_TEXT_FIELD_NUMBER, b""))
_ASSISTANT: Final = Message.ROLE_ASSISTANT
_BEGUN: Final = Item.STATUS_IN_PROGRESS
_OVER: Final = Item.STATUS_COMPLETED
_COMPLETED: Final = Response.STATUS_COMPLETED
_CREATED: Final = ResponseEvent.CREATED_FIELD_NUMBER
_IN_PROGRESS: Final = ResponseEvent.IN_PROGRESS_FIELD_NUMBER
_ADDED: Final = ResponseEvent.OUTPUT_ITEM_ADDED_FIELD_NUMBER
_PART_ADDED: Final = ResponseEvent.CONTENT_PART_ADDED_FIELD_NUMBER
_DELTA: Final = ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER
_TEXT_DONE: Final = ResponseEvent.OUTPUT_TEXT_DONE_FIELD_NUMBER
_PART_DONE: Final = ResponseEvent.CONTENT_PART_DONE_FIELD_NUMBER
_DONE: Final = ResponseEvent.OUTPUT_ITEM_DONE_FIELD_NUMBER
_END: Final = ResponseEvent.COMPLETED_FIELD_NUMBER
BEGINNING: Final = 2
"""The events before the answer: `created` and `in_progress`."""


def text_alone(chunks: Sequence[Chunk]) -> str:
    """What the chunks say where that is one piece of text and nothing else; empty where it isn't."""
    if len(chunks) != 1:
        return ""
    chunk = chunks[0]
    return chunk.text if isinstance(chunk, Text) and not chunk.logprobs else ""


def tell_beginning(response: Response) -> Segment:
    """The log of a response that has just begun."""
    begun = member(_RESPONSE, response.SerializeToString())
    return Segment(0, 1, member(_EVENTS, member(_CREATED, begun)) + _event(1, _IN_PROGRESS, begun))


def tell_end(response: Response, text: str, usage: Usage | None, *, item_id: str, now: int) -> tuple[Segment, bytes]:
    """Brings the response to its end with the text as its answer: the rest of the log, and the response, serialized.

    `now` is in milliseconds since 1970.
    """
    item = response.output.add(id=item_id, status=_BEGUN)
    message = item.message
    message.role = _ASSISTANT
    added = item.SerializeToString()
    part = message.content.add()
    part.output_text.text = text
    item.status = _OVER
    response.status = _COMPLETED
    response.complete_time.FromMilliseconds(now)
    if usage is not None:
        response.usage.CopyFrom(usage)
    result = response.SerializeToString()
    place = member(_ITEM_ID, item_id.encode())
    said = place + member(_TEXT, text.encode())
    events = (
        _event(2, _ADDED, member(_ITEM, added)),
        _event(3, _PART_ADDED, place + _EMPTY_TEXT),
        _event(4, _DELTA, said),
        _event(5, _TEXT_DONE, said),
        _event(6, _PART_DONE, place + member(_PART, part.SerializeToString())),
        _event(7, _DONE, member(_ITEM, item.SerializeToString())),
        _event(8, _END, member(_RESPONSE, result)),
    )
    return Segment(2, 8, b"".join(events)), result


def _event(number: int, kind: int, told: bytes) -> bytes:
    size = len(told)
    if size < _SHORT:  # As nearly all are: both lengths are one byte.
        return bytes((_EVENTS_TAG, size + 4, _NUMBER_TAG, number, kind << 3 | 2, size)) + told
    return member(_EVENTS, bytes((_NUMBER_TAG, number)) + member(kind, told))
