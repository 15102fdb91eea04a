"""Runs of text deltas: one event between core and bridge that clients are told as several; pure."""

from __future__ import annotations

from collections.abc import Iterator

from nodexa.v1.event_pb2 import ResponseEvent, TextDelta


def last_number(event: ResponseEvent) -> int:
    """The sequence number of the last event that this one stands for, which nearly always is its own."""
    # Asked of every message: to look into a run that isn't there costs more than all else.
    if not event.HasField("output_text_deltas"):
        return event.sequence_number
    return event.sequence_number + max(len(event.output_text_deltas.deltas) - 1, 0)


def singly(event: ResponseEvent) -> Iterator[tuple[int, TextDelta]]:
    """The numbers and the deltas that a run stands for."""
    run = event.output_text_deltas
    for number, text in enumerate(run.deltas, event.sequence_number):
        index, place = run.output_index, run.content_index
        yield number, TextDelta(item_id=run.item_id, output_index=index, content_index=place, delta=text)
