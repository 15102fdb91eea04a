"""The event ladder as a judge: it climbs every event and fails at the first step that would break a client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.item_pb2 import ContentPart, Item, Reasoning, SummaryText
from nodexa.v1.response_pb2 import Response

from service.runner.lifecycle import TERMINAL_EVENT

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
TEXTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
PASSED_ON = ("opaque", "compaction")


def kinds(events: Sequence[ResponseEvent]) -> list[str]:
    """What happened, a word an event."""
    return [str(event.WhichOneof("kind")) for event in events]


def climb(events: Sequence[ResponseEvent], *, whole: bool = True) -> Ladder:
    """Checks that `events` are a legal stream from its start, and to its end where it is `whole`."""
    ladder = Ladder()
    for number, event in enumerate(events):
        assert event.sequence_number == number
        assert ladder.terminal == "", "something follows the terminal event"
        kind = str(event.WhichOneof("kind"))
        STEPS[kind](ladder, kind, getattr(event, kind))
    if whole:
        assert ladder.terminal, "no terminal event"
    return ladder


@dataclass(slots=True)
class Ladder:
    """How far a stream has come."""

    id: str = ""
    begun: bool = False
    items: list[Item] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    parts: dict[int, list[ContentPart]] = field(default_factory=dict)
    summaries: dict[int, list[ContentPart]] = field(default_factory=dict)
    annotations: dict[int, list[str]] = field(default_factory=dict)
    open_parts: dict[int, tuple[str, int]] = field(default_factory=dict)
    deltas: dict[int, list[str]] = field(default_factory=dict)
    arguments_done: set[int] = field(default_factory=set)
    call_ids: set[str] = field(default_factory=set)
    failing: bool = False
    terminal: str = ""


def _created(ladder: Ladder, kind: str, event: Any) -> None:
    assert not ladder.id
    assert event.response.id
    ladder.id = event.response.id
    assert not event.response.output
    assert event.response.status in (Response.STATUS_QUEUED, Response.STATUS_IN_PROGRESS)


def _progress(ladder: Ladder, kind: str, event: Any) -> None:
    assert event.response.id == ladder.id != ""
    assert not ladder.items
    assert not ladder.begun
    ladder.begun = kind == "in_progress"


def _item_added(ladder: Ladder, kind: str, event: Any) -> None:
    item = event.item
    assert ladder.begun
    assert event.output_index == len(ladder.items)
    assert item.status == Item.STATUS_IN_PROGRESS
    assert item.id
    assert item.id not in {other.id for other in ladder.items}
    assert not item.message.content
    assert all(_word(ladder.items[index]) in PASSED_ON for index in ladder.open), "items are mixed"
    assert item.WhichOneof("kind") != "reasoning" or item.reasoning == Reasoning()
    if word := _call_word(item):
        call = getattr(item, word)
        assert not getattr(call, CALLS[word])
        assert call.call_id
        assert call.call_id not in ladder.call_ids
        ladder.call_ids.add(call.call_id)
    ladder.items.append(item)
    ladder.open.add(event.output_index)
    ladder.parts[event.output_index] = []
    ladder.summaries[event.output_index] = []
    ladder.deltas[event.output_index] = []


def _expect_open(ladder: Ladder, event: Any) -> int:
    index: int = event.output_index
    assert index in ladder.open
    assert event.item_id == ladder.items[index].id
    return index


def _part_added(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert index not in ladder.open_parts
    assert event.content_index == len(ladder.parts[index])
    word = event.part.WhichOneof("kind")
    assert getattr(getattr(event.part, word), TEXTS[word]) == ""
    wanted = ("reasoning_text",) if ladder.items[index].HasField("reasoning") else ("output_text", "refusal")
    assert word in wanted
    ladder.parts[index].append(event.part)
    ladder.annotations[index] = []
    ladder.open_parts[index] = (word, event.content_index)
    ladder.deltas[index] = []


def _text_delta(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts[index] == (kind.removesuffix("_delta"), event.content_index)
    assert event.delta
    ladder.deltas[index].append(event.delta)


def _text_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts[index] == (kind.removesuffix("_done"), event.content_index)
    assert event.text == "".join(ladder.deltas[index])


def _part_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    word = event.part.WhichOneof("kind")
    assert ladder.open_parts.pop(index) == (word, event.content_index)
    assert getattr(getattr(event.part, word), TEXTS[word]) == "".join(ladder.deltas[index])
    assert list(event.part.output_text.annotations_json) == ladder.annotations[index]
    ladder.parts[index][event.content_index] = event.part


def _annotation(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts[index] == ("output_text", event.content_index)
    assert event.annotation_index == len(ladder.annotations[index])
    ladder.annotations[index].append(event.annotation_json)


def _summary_added(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.items[index].HasField("reasoning")
    assert index not in ladder.open_parts
    assert event.summary_index == len(ladder.summaries[index])
    assert event.part == ContentPart(summary_text=SummaryText())
    ladder.summaries[index].append(event.part)
    ladder.open_parts[index] = ("summary_text", event.summary_index)
    ladder.deltas[index] = []


def _summary_delta(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts[index] == ("summary_text", event.summary_index)
    assert event.delta
    ladder.deltas[index].append(event.delta)


def _summary_text_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts[index] == ("summary_text", event.summary_index)
    assert event.text == "".join(ladder.deltas[index])


def _summary_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.open_parts.pop(index) == ("summary_text", event.summary_index)
    assert event.part == ContentPart(summary_text=SummaryText(text="".join(ladder.deltas[index])))
    ladder.summaries[index][event.summary_index] = event.part


def _progress_of_item(ladder: Ladder, kind: str, event: Any) -> None:
    item = ladder.items[_expect_open(ladder, event)]
    assert _word(item) in PASSED_ON
    assert event.type == (item.opaque.type or _word(item))
    assert event.phase


def _mcp_arguments_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.items[index].opaque.type == "mcp_call"
    assert index not in ladder.arguments_done
    ladder.arguments_done.add(index)


def _status(ladder: Ladder, kind: str, event: Any) -> None:
    assert ladder.begun
    assert event.status


def _word(item: Item) -> str:
    return str(item.WhichOneof("kind"))


def _call_word(item: Item) -> str:
    return _word(item) if _word(item) in CALLS else ""


def _call_delta(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    word = _call_word(ladder.items[index])
    assert kind == f"{word}_{CALLS[word]}_delta"
    assert event.delta
    assert index not in ladder.arguments_done
    ladder.deltas[index].append(event.delta)


def _arguments_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    call = ladder.items[index].function_call
    assert (event.name, event.call_id) == (call.name, call.call_id)
    assert event.arguments == "".join(ladder.deltas[index])
    assert index not in ladder.arguments_done
    ladder.arguments_done.add(index)


def _input_done(ladder: Ladder, kind: str, event: Any) -> None:
    index = _expect_open(ladder, event)
    assert ladder.items[index].HasField("custom_tool_call")
    assert event.input == "".join(ladder.deltas[index])
    assert index not in ladder.arguments_done
    ladder.arguments_done.add(index)


def _item_done(ladder: Ladder, kind: str, event: Any) -> None:
    index, item = event.output_index, event.item
    assert index in ladder.open
    assert index not in ladder.open_parts
    added = ladder.items[index]
    assert (item.id, item.WhichOneof("kind")) == (added.id, added.WhichOneof("kind"))
    assert item.status in (Item.STATUS_COMPLETED, Item.STATUS_INCOMPLETE)
    if word := _call_word(item):
        assert index in ladder.arguments_done
        assert getattr(item, word).call_id == getattr(added, word).call_id
        assert getattr(getattr(item, word), CALLS[word]) == "".join(ladder.deltas[index])
    else:
        content = item.reasoning.content if item.HasField("reasoning") else item.message.content
        assert list(content) == ladder.parts[index]
        assert list(item.reasoning.summary) == ladder.summaries[index]
    ladder.items[index] = item
    ladder.open.remove(index)


def _error(ladder: Ladder, kind: str, event: Any) -> None:
    assert event.code
    ladder.failing = True


def _terminal(ladder: Ladder, kind: str, event: Any) -> None:
    response = event.response
    assert response.id == ladder.id
    assert not ladder.open
    assert list(response.output) == ladder.items
    assert TERMINAL_EVENT[response.status] == kind
    assert response.HasField("complete_time")
    assert ladder.failing == (kind == "failed") == response.HasField("error")
    ladder.terminal = kind


STEPS: dict[str, Callable[[Ladder, str, Any], None]] = {
    "created": _created,
    "queued": _progress,
    "in_progress": _progress,
    "output_item_added": _item_added,
    "content_part_added": _part_added,
    **dict.fromkeys(("output_text_delta", "refusal_delta", "reasoning_text_delta"), _text_delta),
    **dict.fromkeys(("output_text_done", "refusal_done", "reasoning_text_done"), _text_done),
    "content_part_done": _part_done,
    "output_text_annotation_added": _annotation,
    "reasoning_summary_part_added": _summary_added,
    "reasoning_summary_text_delta": _summary_delta,
    "reasoning_summary_text_done": _summary_text_done,
    "reasoning_summary_part_done": _summary_done,
    "function_call_arguments_delta": _call_delta,
    "function_call_arguments_done": _arguments_done,
    "custom_tool_call_input_delta": _call_delta,
    "custom_tool_call_input_done": _input_done,
    "output_item_done": _item_done,
    "item_progress": _progress_of_item,
    "mcp_call_arguments_done": _mcp_arguments_done,
    "status": _status,
    "error": _error,
    **dict.fromkeys(("completed", "incomplete", "failed"), _terminal),
}
