"""Runs of text deltas: one event of the log that stands for several; pure.

What a model sends at once is kept, and goes to bridges, with its item and its place said once for all of its pieces.
Nobody else meets such an event: `singly` gives the events that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent, TextDeltas

MOST_LETTERS: Final = 4096
"""Texts of more letters make an event each: what is told to readers in portions is cut between events."""


def fits(texts: Sequence[str]) -> bool:
    """Whether the texts make one event."""
    return len(texts) > 1 and sum(map(len, texts)) <= MOST_LETTERS


def last_number(event: ResponseEvent) -> int:
    """The sequence number of the last event that this one stands for, which nearly always is its own."""
    if not event.HasField("output_text_deltas"):
        return event.sequence_number
    return event.sequence_number + max(len(event.output_text_deltas.deltas) - 1, 0)


def singly(events: Iterable[ResponseEvent]) -> Iterator[ResponseEvent]:
    """The events that these stand for, one by one."""
    for event in events:
        if event.HasField("output_text_deltas"):
            yield from _deltas(event.sequence_number, event.output_text_deltas)
        else:
            yield event


def told_singly(data: bytes) -> bytes:
    """A serialized batch with each event by itself."""
    batch = EventBatch.FromString(data)
    if not any(event.HasField("output_text_deltas") for event in batch.events):
        return data
    told = EventBatch(events=singly(batch.events))
    if batch.HasField("settings"):
        told.settings.CopyFrom(batch.settings)
    return told.SerializeToString()


def behind(events: Iterable[ResponseEvent], after: int) -> Iterator[ResponseEvent]:
    """What these events tell after number `after`; a run is cut where that is in the middle of it."""
    for event in events:
        seen = after + 1 - event.sequence_number
        if seen <= 0:
            yield event
        elif seen < len(event.output_text_deltas.deltas):
            rest = ResponseEvent(sequence_number=after + 1, output_text_deltas=event.output_text_deltas)
            del rest.output_text_deltas.deltas[:seen]
            yield rest


def _deltas(first: int, run: TextDeltas) -> Iterator[ResponseEvent]:
    for number, text in enumerate(run.deltas, first):
        event = ResponseEvent(sequence_number=number)
        delta = event.output_text_delta
        delta.item_id, delta.output_index, delta.content_index = run.item_id, run.output_index, run.content_index
        delta.delta = text
        yield event
