"""What every stream must be, whatever it tells: checked on the bytes that came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

SDK_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
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


def check_ladder(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Checks order, numbers, indexes and the SDK's types of a stream from its beginning; returns the last snapshot."""
    assert events[0]["type"] == "response.created"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] in TERMINAL for event in events] == [False] * (len(events) - 1) + [True]
    final: dict[str, Any] = events[-1]["response"]
    done: list[dict[str, Any]] = []
    opened: dict[str, int] = {}
    for event in events:
        _check_event(event)
        if event["type"] == "response.output_item.added":
            assert event["output_index"] == len(opened)
            opened[event["item"]["id"]] = event["output_index"]
        elif event["type"] == "response.output_item.done":
            assert opened[event["item"]["id"]] == event["output_index"]
            done.append(event["item"])
        elif "item_id" in event:
            assert opened[event["item_id"]] == event["output_index"]
        elif "response" in event:
            assert event["response"]["id"] == final["id"]
    assert sorted(done, key=lambda item: opened[item["id"]]) == final["output"]
    return final


def _check_event(event: dict[str, Any]) -> None:
    told = json.loads(json.dumps(event))
    # Two of our words are not in the SDK's lists, which it does not check itself.
    snapshot = told.get("response", {})
    if snapshot.get("status") == "requires_action":
        snapshot["status"] = "completed"
    if snapshot.get("error"):
        snapshot["error"]["code"] = "server_error"
    SDK_EVENTS.validate_python(told)
