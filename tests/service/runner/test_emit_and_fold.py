"""Whatever a model writes and wherever it is cut: the events climb the ladder, and the response is their fold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.item_pb2 import Compaction, Item, Opaque, TokenLogprob
from nodexa.v1.response_pb2 import Response, Usage
from nodexa.v1.tool_pb2 import FunctionTool

from service.errors import NodexaError
from service.ids import NewId
from service.model.chunk import (
    Annotation,
    Chunk,
    Finish,
    FinishReason,
    OutputItem,
    ReasoningDelta,
    ReasoningEnd,
    RefusalDelta,
    Status,
    SummaryDelta,
    TextDelta,
    ToolCallDelta,
)
from service.model.offers import Offer
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.lifecycle import NEXT, is_final
from service.runner.parts import text_of as part_text
from tests.service.runner.ladder import STEPS, climb, kinds

examples = settings(max_examples=60, deadline=None)
NOW = 1_800_000_000_123
FINAL = sorted(status for status in Response.Status.values() if is_final(status))
QUEUED, RUNNING = Response.STATUS_QUEUED, Response.STATUS_UNSPECIFIED

OFFERS = {
    "look": Offer(FunctionTool(name="look"), "look"),
    "shell": Offer(FunctionTool(name="shell"), "shell", custom=True),
    "eyes__look": Offer(FunctionTool(name="eyes__look"), "look", "eyes"),
}

SEARCHING = Item(opaque=Opaque(type="web_search_call", json='{"type": "web_search_call", "status": "in_progress"}'))
FOUND = Item(opaque=Opaque(type="web_search_call", json='{"type": "web_search_call", "status": "completed"}'))
COMPACTED = Item(compaction=Compaction(encrypted_content="short"))

texts = st.text(max_size=4)
logprobs = st.lists(st.builds(TokenLogprob, token=texts, logprob=st.floats(-9, 0)), max_size=2)
calls = st.builds(
    ToolCallDelta,
    index=st.integers(0, 3),
    name=st.sampled_from(["look", "listen", "shell", "eyes__look"]),
    call_id=st.sampled_from(["", "c1", "c2", "used"]),
    arguments=st.sampled_from(["", "{", '"a": 1', "}", "{}", '{"input"', ': "', "ls", "\\", "ud83d", "\\ude00", '"}']),
)
hosted = st.builds(
    OutputItem,
    index=st.integers(0, 2),
    item=st.sampled_from([None, SEARCHING, FOUND, COMPACTED]),
    phase=st.sampled_from(["", "searching"]),
    done=st.booleans(),
)
chunks = st.one_of(
    st.builds(TextDelta, texts, logprobs),
    st.builds(ReasoningDelta, texts),
    st.builds(RefusalDelta, texts),
    st.builds(SummaryDelta, texts, st.integers(0, 2)),
    st.builds(ReasoningEnd, st.sampled_from(["", "secret"])),
    st.just(Annotation('{"type": "url_citation"}')),
    st.just(Status("truncating")),
    calls,
    hosted,
    st.just(Finish(FinishReason.STOP)),
)
turns = st.lists(st.lists(chunks, min_size=1, max_size=5), max_size=8)


def counting() -> NewId:
    numbers = itertools.count()
    return lambda prefix: f"{prefix}_{next(numbers)}"


def emitter_of(start: Response.Status.ValueType) -> Emitter:
    return Emitter(
        Response(id="resp_of_its_own", status=start), new_id=counting(), used_call_ids=["used"], offers=OFFERS
    )


def end(emitter: Emitter, status: Response.Status.ValueType) -> EventBatch:
    failed = status == Response.STATUS_FAILED
    return emitter.finish(
        status,
        now=NOW,
        usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3),
        reason="max_output_tokens" if status == Response.STATUS_INCOMPLETE else "",
        error=NodexaError("upstream_error", "It broke.", param="model") if failed else None,
    )


def written(turn: Sequence[Sequence[Chunk]], emitter: Emitter) -> list[EventBatch]:
    batches = [emitter.begin(), *(emitter.feed(batch) for batch in turn)]
    return [batch for batch in batches if batch.events]


def events_of(batches: Sequence[EventBatch]) -> list[ResponseEvent]:
    return [event for batch in batches for event in batch.events]


def delivered(events: Sequence[ResponseEvent]) -> dict[int, str]:
    """What the deltas said, by output index."""
    said: dict[int, str] = {}
    for event in events:
        kind = str(event.WhichOneof("kind"))
        if kind == "output_item_added":
            said[event.output_item_added.output_index] = ""
        if kind.endswith("_delta"):
            said[getattr(event, kind).output_index] += getattr(event, kind).delta
    return said


def text_of(item: Item) -> str:
    parts = [*item.message.content, *item.reasoning.content, *item.reasoning.summary]
    return item.function_call.arguments or item.custom_tool_call.input or "".join(map(part_text, parts))


@examples
@given(turns, st.sampled_from(FINAL), st.sampled_from([QUEUED, RUNNING]))
def test_every_stream_climbs_the_ladder_and_folds_to_its_end(
    turn: list[list[Chunk]], status: Response.Status.ValueType, start: Response.Status.ValueType
) -> None:
    emitter = emitter_of(start)

    events = events_of([*written(turn, emitter), end(emitter, status)])

    ladder = climb(events)
    assert fold(events) == emitter.response == getattr(events[-1], ladder.terminal).response
    assert emitter.response.status == status
    assert "used" not in ladder.call_ids


@examples
@given(turns, st.sampled_from(FINAL))
def test_the_fold_of_every_prefix_holds_what_its_deltas_said(
    turn: list[list[Chunk]], status: Response.Status.ValueType
) -> None:
    emitter = emitter_of(RUNNING)
    events = events_of([*written(turn, emitter), end(emitter, status)])

    for length in range(1, len(events) + 1):
        prefix = events[:length]
        climb(prefix, whole=length == len(events))
        folded = fold(prefix)
        assert {index: text_of(item) for index, item in enumerate(folded.output)} == delivered(prefix)
        assert all(item.id == last.id for item, last in zip(folded.output, emitter.response.output, strict=False))


@examples
@given(turns, st.integers(0, 8), st.sampled_from([QUEUED, RUNNING]))
def test_a_log_that_broke_off_after_any_batch_is_ended_legally(
    turn: list[list[Chunk]], kept: int, start: Response.Status.ValueType
) -> None:
    batches = written(turn, emitter_of(start))[: kept + 1]
    left = events_of(batches)

    heir = Emitter(fold(left), new_id=counting(), next_sequence=len(left))
    events = [*left, *end(heir, Response.STATUS_FAILED).events]

    climb(events)
    assert fold(events) == heir.response
    assert all(item.status != Item.STATUS_IN_PROGRESS for item in heir.response.output)


@examples
@given(turns)
def test_log_probabilities_survive_a_log_that_broke_off(turn: list[list[Chunk]]) -> None:
    left = events_of(written(turn, emitter_of(RUNNING)))
    heir = Emitter(fold(left), new_id=counting(), next_sequence=len(left))

    events = [*left, *end(heir, Response.STATUS_FAILED).events]

    told = [each for event in events for each in event.output_text_delta.logprobs]
    parts = [part for item in heir.response.output for part in item.message.content]
    kept = [each for part in parts for each in part.output_text.logprobs]
    assert kept == told


def test_what_was_cut_is_incomplete_and_what_was_whole_is_not() -> None:
    emitter = emitter_of(RUNNING)
    emitter.begin()
    emitter.feed([ReasoningDelta("hm"), TextDelta("One"), ToolCallDelta(0, "look", "", "{")])

    end(emitter, Response.STATUS_INCOMPLETE)

    assert [item.status for item in emitter.response.output] == [
        Item.STATUS_COMPLETED,
        Item.STATUS_COMPLETED,
        Item.STATUS_INCOMPLETE,
    ]


def test_the_judge_and_the_contract_know_the_same_events() -> None:
    kinds = {field.name for field in ResponseEvent.DESCRIPTOR.oneofs_by_name["kind"].fields}
    # A run of deltas is climbed delta by delta.
    assert set(STEPS) == kinds - {"output_text_deltas"}


def test_a_state_that_is_final_can_be_told_once_only() -> None:
    emitter = emitter_of(RUNNING)
    emitter.begin()
    assert kinds(end(emitter, Response.STATUS_COMPLETED).events) == ["completed"]

    for status in FINAL:
        try:
            end(emitter, status)
        except ValueError:
            continue
        raise AssertionError(f"completed became {Response.Status.Name(status)}")
    assert Response.STATUS_COMPLETED not in NEXT


@pytest.mark.parametrize("kind", sorted(STEPS))
def test_every_event_of_the_contract_can_be_folded(kind: str) -> None:
    emitter = emitter_of(RUNNING)
    begun = events_of([emitter.begin(), emitter.feed([SummaryDelta("Hm") if "summary" in kind else TextDelta("Once")])])
    event = ResponseEvent(sequence_number=len(begun))
    getattr(event, kind).SetInParent()

    fold([*begun, event])


def test_an_event_without_a_kind_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no rule to fold"):
        fold([ResponseEvent()])
