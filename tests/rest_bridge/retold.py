"""The output of a response as a client puts it together from the events of its stream, and from nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

_GROWS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "text",
    "response.reasoning_summary_text.delta": "text",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
}
# What an item learns of itself only when it is over.
_AT_THE_END = ("status", "encrypted_content", "phase")


def retold(events: Iterable[Json]) -> list[Json]:
    """The items; fails where an item is over and isn't what its pieces were."""
    items: list[Json] = []
    for event in events:
        kind, index = event["type"], event.get("output_index", -1)
        if kind == "response.output_item.added":
            assert index == len(items)
            items.append(copy.deepcopy(event["item"]))
        elif kind == "response.output_item.done":
            done = event["item"]
            assert done["id"] == items[index]["id"]
            if done["type"] in ("message", "reasoning", "function_call", "custom_tool_call"):
                assert _lasting(items[index]) == _lasting(done), (_lasting(items[index]), _lasting(done))
            items[index] = done
        elif kind in ("response.content_part.added", "response.reasoning_summary_part.added"):
            parts = _parts(items[index], kind)
            assert len(parts) == event.get("summary_index", event.get("content_index"))
            parts.append(copy.deepcopy(event["part"]))
        elif kind == "response.output_text.annotation.added":
            annotations = items[index]["content"][event["content_index"]]["annotations"]
            assert len(annotations) == event["annotation_index"]
            annotations.append(event["annotation"])
        elif kind in _GROWS:
            _grow(items[index], event, _GROWS[kind])
    return items


def _grow(item: Json, event: Json, member: str) -> None:
    place = event.get("summary_index", event.get("content_index"))
    grown = item if place is None else _parts(item, event["type"])[place]
    grown[member] += event["delta"]
    if "logprobs" in event:
        grown["logprobs"] += event["logprobs"]


def _parts(item: Json, kind: str) -> list[Json]:
    parts: list[Json] = item.setdefault("summary" if "summary" in kind else "content", [])
    return parts


def _lasting(item: Json) -> Json:
    return {name: value for name, value in item.items() if name not in _AT_THE_END and value != []}
