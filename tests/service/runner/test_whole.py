"""An answer that came whole and is nothing but text: its log in one go is what the emitter tells event by event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodexa.v1.item_pb2 import TokenLogprob
from nodexa.v1.response_pb2 import Response, Usage

from service.model.chunk import Chunk, ReasoningDelta, TextDelta, TextRun
from service.runner.emit import Emitter
from service.runner.log import segment_of
from service.runner.whole import BEGINNING, tell_beginning, tell_end, text_alone
from service.store.records import Segment

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200) | st.integers(1, 40_000).map(
    "x".__mul__
)
usages = st.none() | st.builds(
    Usage, input_tokens=st.integers(0, 2**40), output_tokens=st.integers(0, 300), total_tokens=st.integers(0, 9)
)
moments = st.integers(0, 2_000_000_000_000)


def response(previous: str, moment: int) -> Response:
    made = Response(id="resp_1", assistant_id="asst_1", previous_response_id=previous)
    made.create_time.FromMilliseconds(moment)
    return made


def emitter(previous: str, moment: int, *, told: int = 0) -> Emitter:
    return Emitter(response(previous, moment), new_id=lambda prefix: f"{prefix}_1", next_sequence=told)


@given(texts, usages, st.sampled_from(["", "resp_0"]), moments)
def test_the_log_is_the_emitters_byte_by_byte(text: str, usage: Usage | None, previous: str, moment: int) -> None:
    one_by_one = emitter(previous, moment)
    batch = one_by_one.begin()
    batch.MergeFrom(one_by_one.feed([TextDelta(text)]))
    batch.MergeFrom(one_by_one.finish(Response.STATUS_COMPLETED, now=moment + 5, usage=usage))

    at_once = response(previous, moment)
    at_once.status = Response.STATUS_IN_PROGRESS
    beginning = tell_beginning(at_once)
    end, result = tell_end(at_once, text, usage, item_id="msg_1", now=moment + 5)

    assert Segment(beginning.first, end.last, beginning.data + end.data) == segment_of(batch)
    assert beginning.last + 1 == end.first == BEGINNING
    assert at_once == one_by_one.response
    assert Response.FromString(result) == one_by_one.response


def test_what_the_emitter_tells_behind_such_a_beginning_goes_on_with_its_numbers() -> None:
    whole, behind = emitter("", 1), emitter("", 1, told=BEGINNING)
    batch = whole.begin()
    behind.response.status = Response.STATUS_IN_PROGRESS
    beginning = tell_beginning(behind.response)
    batch.MergeFrom(whole.feed([TextDelta("One")]))
    end = behind.feed([TextDelta("One")])

    assert beginning.data + end.SerializeToString() == batch.SerializeToString()


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [TextDelta("")],
        [TextDelta("One"), TextDelta(" two")],
        [TextRun(["One", " two"])],
        [TextDelta("One", [TokenLogprob(token="One", logprob=-0.5)])],
        [ReasoningDelta("Hm.")],
        [ReasoningDelta("Hm."), TextDelta("One")],
    ],
)
def test_what_is_more_than_one_piece_of_text_is_left_to_the_emitter(chunks: list[Chunk]) -> None:
    assert text_alone(chunks) == ""


def test_one_piece_of_text_is_text_alone() -> None:
    assert text_alone([TextDelta("One")]) == "One"
