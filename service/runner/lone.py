"""A piece of text that comes alone, as the batch of its one event: put together from bytes. Pure.

By far the most frequent batch of a stream that is shown as it is written; a test holds it to the emitter's bytes.
"""

from __future__ import annotations

from typing import Final

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, TextDelta

from service.runner.fields import VARINT, tag
from service.store.records import Segment

_EVENT: Final = tag(EventBatch.EVENTS_FIELD_NUMBER)
_NUMBER: Final = bytes((ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3,))
_TOLD: Final = tag(ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER)
_TEXT: Final = tag(TextDelta.DELTA_FIELD_NUMBER)


def place_of(item_id: str, output_index: int, content_index: int) -> bytes:
    """What all deltas of one part have before their text."""
    place = TextDelta(item_id=item_id, output_index=output_index, content_index=content_index)
    return place.SerializeToString() + _TEXT


def told_alone(number: int, place: bytes, text: str) -> Segment:
    """The event of that number, which is not the first, that says `text` at `place`."""
    words = text.encode()
    said = place + VARINT[len(words)] + words
    event = _NUMBER + VARINT[number] + _TOLD + VARINT[len(said)] + said
    return Segment(number, number, _EVENT + VARINT[len(event)] + event)
