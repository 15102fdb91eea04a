"""A piece of text that comes alone, as the batch of its one event: put together from bytes. Pure.

By far the most frequent batch of a stream that is shown as it is written; a test holds it to the emitter's bytes.
"""

from __future__ import annotations

from typing import Final

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, TextDelta

from service.runner.log import member
from service.store.records import Segment

# Numbers in names of ours: each look at a constant of a message's class costs as much as a call.
_EVENTS: Final = EventBatch.EVENTS_FIELD_NUMBER
_NUMBER: Final = ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3
_DELTA: Final = ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER
_TEXT: Final = TextDelta.DELTA_FIELD_NUMBER


def place_of(item_id: str, output_index: int, content_index: int) -> bytes:
    """What all deltas of one part begin with."""
    return TextDelta(item_id=item_id, output_index=output_index, content_index=content_index).SerializeToString()


def told_alone(number: int, place: bytes, text: str) -> Segment:
    """The event of that number, which is not the first, that says `text` at `place`."""
    said = member(_DELTA, place + member(_TEXT, text.encode()))
    return Segment(number, number, member(_EVENTS, _numbered(number) + said))


def _numbered(number: int) -> bytes:
    if number < 128:
        return bytes((_NUMBER, number))
    if number < 16384:
        return bytes((_NUMBER, number & 127 | 128, number >> 7))
    return ResponseEvent(sequence_number=number).SerializeToString()
