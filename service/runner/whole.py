"""A response whose answer came whole and is nothing but text, and the log of it, made in one go. Pure.

What the emitter tells event by event is always the same nine events here; a test holds both to the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
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
_ITEM_ADDED: Final = _numbered(2, ResponseEvent.OUTPUT_ITEM_ADDED_FIELD_NUMBER)
_PART_ADDED: Final = _numbered(3, ResponseEvent.CONTENT_PART_ADDED_FIELD_NUMBER)
_TEXT_DELTA: Final = _numbered(4, ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER)
_TEXT_DONE: Final = _numbered(5, ResponseEvent.OUTPUT_TEXT_DONE_FIELD_NUMBER)
_PART_DONE: Final = _numbered(6, ResponseEvent.CONTENT_PART_DONE_FIELD_NUMBER)
_ITEM_DONE: Final = _numbered(7, ResponseEvent.OUTPUT_ITEM_DONE_FIELD_NUMBER)
_ENDED: Final = _numbered(8, ResponseEvent.COMPLETED_FIELD_NUMBER)
_LAST: Final = 8
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
_BEFORE_DELTA: Final = len(_TEXT_DELTA)
_BEFORE_DONE: Final = len(_TEXT_DONE)
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
    return Segment(0, BEGINNING - 1, _event(_CREATED, begun) + _event(_IN_PROGRESS, begun))


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
    first, second = _before_words(len(name))
    said = _ITEM_ID + named + _DELTA + sized
    told = VARINT[len(said)]
    size = len(told) + len(said)
    part_done = _ITEM_ID + named + _EVENT_PART + sized_part
    item_done = _EVENT_ITEM + sized_item
    ended = _SNAPSHOT + VARINT[len(result)] + result
    pieces = (
        *(first, name, second, named, _EMPTY_TEXT),
        *(_EVENT, VARINT[_BEFORE_DELTA + size], _TEXT_DELTA, told, said),
        *(_EVENT, VARINT[_BEFORE_DONE + size], _TEXT_DONE, told, said),
        *(_event(_PART_DONE, part_done), _event(_ITEM_DONE, item_done), _event(_ENDED, ended)),
    )
    return Segment(BEGINNING, _LAST, b"".join(pieces)), result


@cache
def _before_words(size: int) -> tuple[bytes, bytes]:
    """What stands before an item's id of so many bytes, and before its size, where the item and its part are added."""
    sized = VARINT[size]
    begun = len(_ID) + len(sized) + size + len(_BEGUN)
    part = len(_ITEM_ID) + len(sized) + size + len(_EMPTY_TEXT)
    item = _EVENT_ITEM + VARINT[begun]
    return (
        _head(_ITEM_ADDED, len(item) + begun) + item + _ID + sized,
        _BEGUN + _head(_PART_ADDED, part) + _ITEM_ID,
    )


def _event(begins: bytes, message: bytes) -> bytes:
    """An event, from how it begins and what it tells, as a serialized batch."""
    return _head(begins, len(message)) + message


def _head(begins: bytes, size: int) -> bytes:
    told = VARINT[size]
    return _EVENT + VARINT[len(begins) + len(told) + size] + begins + told
