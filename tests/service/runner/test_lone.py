"""A piece of text that comes alone: put together from bytes, it is what the emitter tells, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from nodexa.v1.item_pb2 import TokenLogprob
from nodexa.v1.response_pb2 import Response

from service.model.chunk import Chunk, MessageEnd, ReasoningDelta, RefusalDelta, TextDelta, TextRun, ToolCallDelta
from service.runner.emit import Emitter
from service.runner.log import segment_of
from service.store.records import Segment

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.integers(1, 20_000).map("x".__mul__)
chunks = st.one_of(
    words.map(TextDelta),
    words.map(TextDelta),
    st.just(TextDelta("One", [TokenLogprob(token="One", logprob=-0.5)])),
    st.just(TextRun(["One", " two"])),
    st.builds(RefusalDelta, words),
    st.builds(ReasoningDelta, words),
    st.just(MessageEnd()),
    st.just(ToolCallDelta(0, "look", "call_1", "{}")),
)


def emitter(told: int) -> Emitter:
    counted: Iterator[int] = iter(range(1000))
    response = Response(id="resp_1", status=Response.STATUS_IN_PROGRESS)
    return Emitter(response, new_id=lambda prefix: f"{prefix}_{next(counted)}", next_sequence=told)


def fed(emitter: Emitter, batch: list[Chunk]) -> Segment | None:
    made = emitter.feed(batch)
    return segment_of(made) if made.events else None


@given(st.lists(st.lists(chunks, max_size=2), max_size=20), st.sampled_from([2, 120, 16_375, 2_000_000]))
def test_what_is_told_in_bytes_is_what_is_fed(batches: list[list[Chunk]], told: int) -> None:
    one, other = emitter(told), emitter(told)

    assert [one.tell(batch) for batch in batches] == [fed(other, batch) for batch in batches]

    ends = [each.finish(Response.STATUS_INCOMPLETE, now=1, reason="cancelled") for each in (one, other)]
    assert ends[0] == ends[1]
    assert one.response == other.response
