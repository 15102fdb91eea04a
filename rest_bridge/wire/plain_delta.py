"""Batches of one short text delta, read from their bytes: nearly all that comes while a model speaks. Pure."""

from __future__ import annotations

from typing import Final

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, TextDelta, TextDeltas

_EVENTS: Final = EventBatch.EVENTS_FIELD_NUMBER << 3 | 2
_NUMBER: Final = ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3
_DELTA: Final = ResponseEvent.OUTPUT_TEXT_DELTA_FIELD_NUMBER << 3 | 2
_TEXT: Final = bytes((TextDelta.DELTA_FIELD_NUMBER << 3 | 2,))
_MOST: Final = 2 + 0x7F
"""Bytes of a batch whose lengths have one byte each."""


class PlainDelta:
    """Knows the deltas that stand in the same place as `delta`, by what comes before their texts."""

    __slots__ = ("_place",)

    def __init__(self, delta: TextDelta | TextDeltas) -> None:
        index, place = delta.output_index, delta.content_index
        same = TextDelta(item_id=delta.item_id, output_index=index, content_index=place)
        self._place = same.SerializeToString() + _TEXT

    def read(self, data: bytes) -> tuple[int, bytes] | None:
        """The number and the text, in UTF-8, where `data` is a batch of such a delta and of nothing else.

        None for any other, and for some that protobuf has to read: with a long text, or a number above 16,383.
        """
        size = len(data)
        if not 8 < size <= _MOST or data[0] != _EVENTS or data[1] != size - 2 or data[2] != _NUMBER:
            return None
        number, at = data[3], 4
        if number > 0x7F:
            if data[4] > 0x7F:
                return None
            number, at = number & 0x7F | data[4] << 7, 5
        text = at + 3 + len(self._place)
        whole = data[at] == _DELTA and data[at + 1] == size - at - 2 and data.startswith(self._place, at + 2)
        return (number, data[text:]) if whole and text <= size and data[text - 1] == size - text else None
