"""The log's batches on their way to readers: in messages of a size, whatever they were written in."""

from __future__ import annotations

from nodexa.v1.event_pb2 import EventBatch, ResponseEvent

from service.model.chunk import Finish, FinishReason, TextDelta, TextRun, portions
from service.runner.log import MESSAGE_BYTES, messages, pieces, segment_of


def batch_of(*sizes: int, first: int = 0) -> EventBatch:
    """A batch of events that have so many letters each."""
    return EventBatch(
        events=[
            ResponseEvent(sequence_number=number, output_text_delta={"item_id": "msg_1", "delta": "x" * size})
            for number, size in enumerate(sizes, first)
        ]
    )


def test_a_large_batch_goes_in_messages_of_whole_events() -> None:
    batch = batch_of(*[1, 200, 20_000] * 30)
    cut = list(pieces(batch.SerializeToString()))

    assert max(map(len, cut)) <= 2 * MESSAGE_BYTES + 20_200
    assert len(cut) > 10
    events = [event for piece in cut for event in EventBatch.FromString(piece).events]
    assert events == list(batch.events)


def test_a_small_batch_stays_whole() -> None:
    data = batch_of(*[100] * 100).SerializeToString()
    assert list(pieces(data)) == [data]


def test_small_batches_travel_together_and_a_reader_gets_what_it_has_not_seen() -> None:
    segments = [segment_of(batch_of(100, 100, first=first)) for first in range(0, 1000, 2)]
    told = list(messages(segments, after=500))

    assert max(map(len, told)) <= 2 * MESSAGE_BYTES
    events = [event.sequence_number for message in told for event in EventBatch.FromString(message).events]
    assert events == list(range(501, 1000))


def test_what_a_model_sends_at_once_is_told_in_portions() -> None:
    run = TextRun([str(number) for number in range(300)])
    told = list(portions([TextDelta("a"), run, TextDelta("b"), Finish(FinishReason.STOP)], 128))

    sizes = [sum(len(chunk.texts) if isinstance(chunk, TextRun) else 1 for chunk in portion) for portion in told]
    assert max(sizes) <= 128
    texts = [text for portion in told for chunk in portion if isinstance(chunk, TextRun) for text in chunk.texts]
    assert texts == list(run.texts)
    assert [type(told[0][0]), type(told[-1][-1])] == [TextDelta, Finish]
