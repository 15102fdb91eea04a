"""What every stream must be, whatever it tells: checked on the bytes that came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.contract.told import check_event

WRITTEN = {"message", "reasoning", "function_call", "custom_tool_call"}
_Parts = dict[str, tuple[int, list[str]]]
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


def events_of(body: bytes) -> list[dict[str, Any]]:
    """The events of a whole stream. Fails where the framing is not exactly ours, or the end is missing."""
    assert b"\r" not in body
    *frames, rest = body.decode().split("\n\n")
    assert rest == ""
    frames = [frame for frame in frames if frame != ": heartbeat"]
    assert frames.pop() == "data: [DONE]"
    events = []
    for frame in frames:
        name, data = frame.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def check_ladder(events: Sequence[dict[str, Any]], *, left_out: int = 0) -> dict[str, Any]:
    """Checks order, numbers, indexes and the form of a stream from its beginning; returns the last snapshot.

    `left_out` is how many events the client wasn't shown, because it wouldn't know them.
    """
    assert events[0]["type"] == "response.created"
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (0, len(events) - 1 + left_out)
    assert [event["type"] in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]
    final: dict[str, Any] = events[-1]["response"]
    done: list[dict[str, Any]] = []
    opened: dict[str, int] = {}
    parts: _Parts = {}
    current: dict[str, str] = {}
    for event in events:
        check_event(event)
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(opened)
            assert not WRITTEN & set(current.values()), "items are mixed"
            opened[event["item"]["id"]] = event["output_index"]
            current[event["item"]["id"]] = event["item"]["type"]
        elif event["type"] == "response.output_item.done":
            assert opened[event["item"]["id"]] == event["output_index"]
            assert event["item"]["id"] not in parts
            assert current.pop(event["item"]["id"]) == event["item"]["type"]
            done.append(event["item"])
        elif "item_id" in event:
            assert opened[event["item_id"]] == event["output_index"]
            assert event["item_id"] in current
            _climb_part(event, parts)
        elif "response" in event:
            assert event["response"]["id"] == final["id"]
    assert sorted(done, key=lambda item: opened[item["id"]]) == final["output"]
    return final


def _climb_part(event: dict[str, Any], parts: _Parts) -> None:
    """One step within an item: one part of it at most is open, and what its deltas said is what its end says."""
    step, item = event["type"].removeprefix("response."), event["item_id"]
    place: Any = event.get("summary_index", event.get("content_index"))
    if step in ("content_part.added", "reasoning_summary_part.added"):
        assert item not in parts
        parts[item] = (place, [])
    elif step in ("content_part.done", "reasoning_summary_part.done"):
        assert parts.pop(item)[0] == place
    elif place is not None:
        assert parts[item][0] == place
        if step.endswith(".delta"):
            parts[item][1].append(event["delta"])
        elif step.endswith(".done"):
            assert event.get("refusal", event.get("text")) == "".join(parts[item][1])
