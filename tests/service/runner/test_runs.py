"""Runs of text deltas: one event in the log, and as many as it stands for to whoever is no bridge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.model.chunk import TextDelta, TextRun
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.log import MESSAGE_BYTES, events_of, messages, segment_of
from service.runner.runs import MOST_LETTERS, last_number, singly, told_singly
from service.store.records import Segment
from tests.service.runner.ladder import climb, kinds

letters = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
feeds = st.lists(st.lists(letters, min_size=1, max_size=6), min_size=1, max_size=6)


def segments_of(feeds: list[list[str]]) -> list[Segment]:
    """The log of a response whose model says so many texts at a time."""
    emitter = Emitter(Response(id="resp_1"), new_id=lambda prefix: f"{prefix}_1")
    batches = [emitter.begin()]
    batches += [emitter.feed([TextRun(texts) if len(texts) > 1 else TextDelta(texts[0])]) for texts in feeds]
    batches.append(emitter.finish(Response.STATUS_COMPLETED, now=1))
    return [segment_of(batch) for batch in batches]


def one_by_one(told: list[bytes]) -> list[ResponseEvent]:
    return [event for data in told for event in EventBatch.FromString(told_singly(data)).events]


@given(feeds)
def test_the_events_of_a_run_climb_the_ladder_and_fold_to_the_text(feeds: list[list[str]]) -> None:
    said = [text for texts in feeds for text in texts]
    events = list(events_of(segments_of(feeds)))

    climb(events)
    assert [event.output_text_delta.delta for event in events if event.HasField("output_text_delta")] == said
    assert fold(events[:-4]).output[0].message.content[0].output_text.text == "".join(said)


@given(feeds, st.data())
def test_a_reader_gets_exactly_the_rest_of_a_run(feeds: list[list[str]], data: st.DataObject) -> None:
    segments = segments_of(feeds)
    whole = list(events_of(segments))
    after = data.draw(st.integers(-1, len(whole)))

    told = list(messages(segments, after))

    assert one_by_one(told) == whole[after + 1 :]
    for message in told:
        numbers = [event.sequence_number for event in EventBatch.FromString(message).events]
        assert numbers == sorted(set(numbers))


def test_a_run_is_one_event_and_says_its_place_once() -> None:
    segment = segments_of([["a", "b", "c"]])[1]
    (run,) = [event for event in EventBatch.FromString(segment.data).events if event.HasField("output_text_deltas")]

    assert (run.sequence_number, last_number(run), segment.last) == (4, 6, 6)
    assert [event.sequence_number for event in singly([run])] == [4, 5, 6]


def test_whoever_is_no_bridge_gets_the_settings_and_each_delta() -> None:
    segment = segments_of([["a", "b", "c"]])[1]
    batch = EventBatch.FromString(segment.data)
    batch.settings.CopyFrom(ResponseSettings(temperature=0.5))

    told = EventBatch.FromString(told_singly(batch.SerializeToString()))

    assert told.settings.temperature == 0.5
    assert kinds(told.events)[-3:] == ["output_text_delta"] * 3


@pytest.mark.parametrize("size", [1, MOST_LETTERS // 10, MOST_LETTERS])
def test_long_texts_are_events_by_themselves_so_that_readers_get_them_in_portions(size: int) -> None:
    segments = segments_of([["x" * size] * 10] * 3)

    # The last one says the whole text, several times.
    told = list(messages(segments[:-1], -1))

    assert max(map(len, told)) <= 3 * MESSAGE_BYTES
    assert len(one_by_one(told)) == len(list(events_of(segments[:-1])))


def test_a_message_to_a_reader_that_lags_has_no_more_events_for_their_being_small() -> None:
    told = list(messages(segments_of([["a"] * 100] * 20), -1))

    assert max(len(one_by_one([message])) for message in told) <= 300
