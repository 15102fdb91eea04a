"""Summaries, sealed thinking, citations, hosted items and statuses: what becomes of the chunks that tell of them."""

from __future__ import annotations

import json

from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.item_pb2 import Compaction, Item, Opaque, Reasoning
from nodexa.v1.response_pb2 import Response

from service.model.chunk import (
    Annotation,
    Chunk,
    OutputItem,
    ReasoningDelta,
    ReasoningEnd,
    Status,
    SummaryDelta,
    TextDelta,
)
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.parts import text_of
from tests.service.runner.ladder import climb, kinds
from tests.service.runner.test_calling import NOW
from tests.service.runner.test_emit_and_fold import RUNNING, counting

SUMMARY = ["reasoning_summary_part_added", "reasoning_summary_text_delta"]
SUMMARY_DONE = ["reasoning_summary_text_done", "reasoning_summary_part_done"]


def told(
    *chunks: Chunk, emitter: Emitter | None = None, status: Response.Status.ValueType = Response.STATUS_COMPLETED
) -> tuple[list[ResponseEvent], list[Item]]:
    """The events between the first two and the terminal one, and the output."""
    emitter = emitter or Emitter(Response(id="resp_1", status=RUNNING), new_id=counting())
    events = [event for batch in (emitter.begin(), emitter.feed(chunks)) for event in batch.events]
    events += emitter.finish(status, now=NOW).events
    climb(events)
    assert fold(events) == emitter.response
    return events[2:-1], list(emitter.response.output)


def search(status: str, **more: str) -> Item:
    return Item(
        opaque=Opaque(
            type="web_search_call", json=json.dumps({"type": "web_search_call", "id": "ws_9", "status": status, **more})
        )
    )


def test_each_part_of_a_summary_is_a_part_of_one_item() -> None:
    events, (item,) = told(
        SummaryDelta("One", 0), SummaryDelta(" two", 0), SummaryDelta("", 1), SummaryDelta("Three", 1)
    )

    assert kinds(events) == [
        "output_item_added",
        *SUMMARY,
        "reasoning_summary_text_delta",
        *SUMMARY_DONE,
        *SUMMARY,
        *SUMMARY_DONE,
        "output_item_done",
    ]
    assert [text_of(part) for part in item.reasoning.summary] == ["One two", "Three"]


def test_a_summary_stands_beside_the_thinking_before_it() -> None:
    _, items = told(ReasoningDelta("Hm."), SummaryDelta("It thought."), ReasoningDelta("Well."), TextDelta("Yes"))

    first, second, answer = items
    assert [text_of(part) for part in (*first.reasoning.content, *first.reasoning.summary)] == ["Hm.", "It thought."]
    assert [text_of(part) for part in second.reasoning.content] == ["Well."]
    assert answer.HasField("message")


def test_thinking_ends_with_what_the_model_wants_to_see_again() -> None:
    _, items = told(ReasoningDelta("Hm."), ReasoningEnd("abc"), ReasoningEnd(), ReasoningEnd("def"), TextDelta("Yes"))

    thought, alone, _ = items
    assert (text_of(thought.reasoning.content[0]), thought.reasoning.encrypted_content) == ("Hm.", "abc")
    assert alone.reasoning == Reasoning(encrypted_content="def")


def test_all_thinking_is_sealed_when_it_is_over() -> None:
    sealed: list[Reasoning] = []

    def seal(reasoning: Reasoning) -> str:
        copy = Reasoning()
        copy.CopyFrom(reasoning)
        sealed.append(copy)
        return f"sealed {len(sealed)}" if len(sealed) < 3 else ""

    emitter = Emitter(Response(id="resp_1", status=RUNNING), new_id=counting(), seal=seal)
    _, items = told(
        ReasoningDelta("Hm."),
        ReasoningEnd("abc"),
        ReasoningDelta("So."),
        TextDelta("Yes"),
        ReasoningEnd("d"),
        emitter=emitter,
    )

    assert [item.reasoning.encrypted_content for item in items if item.HasField("reasoning")] == [
        "sealed 1",
        "sealed 2",
        "",
    ]
    assert not items[-1].reasoning.HasField("encrypted_content")
    assert [given.encrypted_content for given in sealed] == ["abc", "", "d"]
    assert [text_of(part) for given in sealed for part in given.content] == ["Hm.", "So."]


def test_citations_belong_to_the_text_that_is_open() -> None:
    chunks = (
        Annotation('{"n": 0}'),
        TextDelta("One"),
        Annotation('{"n": 1}'),
        Annotation('{"n": 2}'),
        TextDelta(" two"),
    )
    events, (item,) = told(*chunks)

    places = [
        event.output_text_annotation_added.annotation_index
        for event in events
        if event.HasField("output_text_annotation_added")
    ]
    assert places == [0, 1]
    assert item.message.content[0].output_text.text == "One two"
    assert list(item.message.content[0].output_text.annotations_json) == ['{"n": 1}', '{"n": 2}']


def test_hosted_items_go_out_under_ids_of_ours_and_side_by_side() -> None:
    events, items = told(
        OutputItem(0, search("in_progress")),
        OutputItem(1, search("in_progress")),
        OutputItem(1, phase="searching"),
        OutputItem(1, search("completed", query="b"), done=True),
        OutputItem(0, search("failed"), phase="completed", done=True),
        TextDelta("Found."),
    )

    assert [item.id for item in items[:2]] == ["item_0", "item_1"]
    assert [json.loads(item.opaque.json)["status"] for item in items[:2]] == ["failed", "completed"]
    steps = [event.item_progress for event in events if event.HasField("item_progress")]
    assert [(step.item_id, step.type, step.phase) for step in steps] == [
        ("item_1", "web_search_call", "searching"),
        ("item_0", "web_search_call", "completed"),
    ]


def test_an_item_that_is_whole_at_once_begins_and_ends() -> None:
    events, (item,) = told(OutputItem(0, Item(compaction=Compaction(encrypted_content="short")), done=True))

    assert kinds(events) == ["output_item_added", "output_item_done"]
    assert (item.id, item.compaction.encrypted_content, item.status) == ("cmp_0", "short", Item.STATUS_COMPLETED)


def test_a_hosted_item_that_was_cut_does_not_say_that_it_is_under_way() -> None:
    shell = Item(opaque=Opaque(type="shell_call", json='{"type": "shell_call", "status": "in_progress"}'))
    chunks = (OutputItem(0, search("in_progress")), OutputItem(1, shell), OutputItem(2, search("completed")))
    _, items = told(*chunks, status=Response.STATUS_CANCELLED)

    assert [json.loads(item.opaque.json)["status"] for item in items] == ["failed", "incomplete", "completed"]
    assert {item.status for item in items} == {Item.STATUS_INCOMPLETE}


def test_a_status_is_told_at_once_and_leaves_no_trace_in_the_response() -> None:
    events, (item,) = told(TextDelta("One"), Status("routing"), TextDelta(" two"))

    assert kinds(events)[2:5] == ["output_text_delta", "status", "output_text_delta"]
    assert text_of(item.message.content[0]) == "One two"
