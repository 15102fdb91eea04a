"""Deltas that are read from their bytes say what protobuf would have said."""

from __future__ import annotations

import pytest
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import ResponseSettings

from rest_bridge.wire.event import StreamRenderer
from rest_bridge.wire.plain_delta import PlainDelta

PLACE = {"item_id": "msg_%d", "output_index": 3, "content_index": 1}
TEXTS = ["a", "50 %d", '"', "é\x00", "\u2028", "😀", "x" * 90]


def delta(number: int, text: str, **more: object) -> EventBatch:
    said = {**PLACE, "delta": text, **more}
    return EventBatch(events=[ResponseEvent(sequence_number=number, output_text_delta=said)])


def renderer() -> StreamRenderer:
    """Of a stream that has told one delta."""
    stream = StreamRenderer(lambda _: False)
    first = delta(5, "first")
    first.settings.SetInParent()
    stream.render(first)
    return stream


@pytest.mark.parametrize("number", [6, 127, 128, 16_383, 16_384, 3_000_000])
@pytest.mark.parametrize("text", TEXTS)
def test_a_delta_is_told_alike_either_way(number: int, text: str) -> None:
    stream, batch = renderer(), delta(number, text)
    assert stream.delta(batch.SerializeToString()) in (None, renderer().render(batch))


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_what_nearly_all_deltas_are_needs_no_protobuf(text: str) -> None:
    stream = renderer()
    for number in (6, 127, 128, 16_383):
        assert stream.delta(delta(number, text).SerializeToString())
        assert stream.number == number


@pytest.mark.parametrize(
    "other",
    [
        delta(6, "a", item_id="msg_2"),
        delta(6, "a", output_index=4),
        delta(6, "a", content_index=0),
        delta(6, "a", logprobs=[{"token": "a"}]),
        delta(6, ""),
        EventBatch(events=[*delta(6, "a").events, *delta(7, "b").events]),
        EventBatch(events=delta(6, "a").events, settings=ResponseSettings(user="a")),
        EventBatch(events=[ResponseEvent(sequence_number=6, refusal_delta={**PLACE, "delta": "a"})]),
        EventBatch(events=[ResponseEvent(sequence_number=6)]),
        EventBatch(),
    ],
)
def test_anything_else_is_left_to_protobuf(other: EventBatch) -> None:
    assert renderer().delta(other.SerializeToString()) is None


def test_no_cut_or_changed_batch_is_taken_for_another() -> None:
    known, data = PlainDelta(delta(5, "a").events[0].output_text_delta), delta(300, "text").SerializeToString()
    assert known.read(data) == (300, b"text")
    for at in range(len(data)):
        assert known.read(data[:at]) is None
    for at in range(len(data) - len(b"text")):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        if (read := known.read(changed)) is not None:
            (event,) = EventBatch.FromString(changed).events
            assert read == (event.sequence_number, event.output_text_delta.delta.encode())


def test_log_probabilities_are_read_by_protobuf() -> None:
    stream = renderer()
    more = delta(6, "b")
    more.settings.include.append("message.output_text.logprobs")
    stream.render(more)
    assert stream.delta(delta(7, "c").SerializeToString()) is None
