"""A response whose answer came whole and is nothing but text, and the log of it, made in one go. Pure.

What the emitter tells event by event is always the same nine events here; a test holds both to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nodexa.v1.event_pb2 import (
    ContentPartEvent,
    EventBatch,
    OutputItemEvent,
    ResponseEvent,
    ResponseSnapshot,
    TextDelta,
)
from nodexa.v1.item_pb2 import ContentPart, Item, Message, OutputText
from nodexa.v1.response_pb2 import Response, Usage

from service.model.chunk import Chunk
from service.model.chunk import TextDelta as Text
from service.runner.fields import VARINT, member, set_moment, tag
from service.store.records import Segment

BEGINNING: Final = 2
"""The events before the answer: `created` and `in_progress`."""


def _numbered(number: int, kind: int) -> bytes:
    """How an event begins that has a number, up to the size of what it tells."""
    return bytes((ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3, number)) + tag(kind)


# Messages are put together here from bytes of ours: to make each as an object takes three times as long.
_EVENT: Final = tag(EventBatch.EVENTS_FIELD_NUMBER)
_CREATED: Final = tag(ResponseEvent.CREATED_FIELD_NUMBER)
_IN_PROGRESS: Final = _numbered(1, ResponseEvent.IN_PROGRESS_FIELD_NUMBER)
_KINDS: Final = (
    ResponseEvent.OUTPUT_ITEM_ADDED_FIELD_NUMBER,
    ResponseEvent.CONTENT_PART_ADDED_FIELD_NUMBER,
    ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER,
    ResponseEvent.OUTPUT_TEXT_DONE_FIELD_NUMBER,
    ResponseEvent.CONTENT_PART_DONE_FIELD_NUMBER,
    ResponseEvent.OUTPUT_ITEM_DONE_FIELD_NUMBER,
    ResponseEvent.COMPLETED_FIELD_NUMBER,
)
_ENDING: Final = tuple(_numbered(number, kind) for number, kind in enumerate(_KINDS, BEGINNING))
_SNAPSHOT: Final = tag(ResponseSnapshot.RESPONSE_FIELD_NUMBER)
_EVENT_ITEM: Final = tag(OutputItemEvent.ITEM_FIELD_NUMBER)
_EVENT_PART: Final = tag(ContentPartEvent.PART_FIELD_NUMBER)
_EMPTY_TEXT: Final = member(
    ContentPartEvent.PART_FIELD_NUMBER, ContentPart(output_text=OutputText()).SerializeToString()
)
_ITEM_ID: Final = tag(TextDelta.ITEM_ID_FIELD_NUMBER)
_DELTA: Final = tag(TextDelta.DELTA_FIELD_NUMBER)
_ID: Final = tag(Item.ID_FIELD_NUMBER)
_BEGUN: Final = Item(status=Item.STATUS_IN_PROGRESS, message=Message(role=Message.ROLE_ASSISTANT)).SerializeToString()
_OVER: Final = Item(status=Item.STATUS_COMPLETED).SerializeToString() + tag(Item.MESSAGE_FIELD_NUMBER)
_SAID: Final = Message(role=Message.ROLE_ASSISTANT).SerializeToString() + tag(Message.CONTENT_FIELD_NUMBER)
_OUTPUT_TEXT: Final = tag(ContentPart.OUTPUT_TEXT_FIELD_NUMBER)
_TEXT: Final = tag(OutputText.TEXT_FIELD_NUMBER)
_COMPLETED: Final = Response(status=Response.STATUS_COMPLETED).SerializeToString()
_OUTPUT: Final = _COMPLETED + tag(Response.OUTPUT_FIELD_NUMBER)


def text_alone(chunks: Sequence[Chunk]) -> str:
    """What the chunks say where that is one piece of text and nothing else; empty where it isn't."""
    if len(chunks) != 1:
        return ""
    chunk = chunks[0]
    return chunk.text if isinstance(chunk, Text) and not chunk.logprobs else ""


def tell_beginning(response: Response) -> Segment:
    """The log of a response that has just begun."""
    told = response.SerializeToString()
    begun = _SNAPSHOT + VARINT[len(told)] + told
    return Segment(0, 1, _events(((_CREATED, begun), (_IN_PROGRESS, begun))))


def tell_end(response: Response, text: str, usage: Usage | None, *, item_id: str, now: int) -> tuple[Segment, bytes]:
    """Brings the response to its end with the text as its answer: the rest of the log, and the response, serialized.

    `now` is in milliseconds since 1970.
    """
    name, words = item_id.encode(), text.encode()
    named, sized = VARINT[len(name)] + name, VARINT[len(words)] + words
    part = _TEXT + sized
    part = _OUTPUT_TEXT + VARINT[len(part)] + part
    sized_part = VARINT[len(part)] + part
    message = _SAID + sized_part
    item = _ID + named + _OVER + VARINT[len(message)] + message
    sized_item = VARINT[len(item)] + item
    response.MergeFromString(_OUTPUT + sized_item)
    set_moment(response.complete_time, now)
    if usage is not None:
        response.usage.CopyFrom(usage)
    result = response.SerializeToString()
    begun, place = _ID + named + _BEGUN, _ITEM_ID + named
    said = place + _DELTA + sized
    told = (
        _EVENT_ITEM + VARINT[len(begun)] + begun,
        place + _EMPTY_TEXT,
        said,
        said,
        place + _EVENT_PART + sized_part,
        _EVENT_ITEM + sized_item,
        _SNAPSHOT + VARINT[len(result)] + result,
    )
    return Segment(BEGINNING, 8, _events(zip(_ENDING, told, strict=True))), result


def _events(told: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The events, each from how it begins and what it tells, as a serialized batch."""
    pieces: list[bytes] = []
    for begins, message in told:
        length = len(message)
        size = VARINT[length]
        pieces += (_EVENT, VARINT[len(begins) + len(size) + length], begins, size, message)
    return b"".join(pieces)
