"""What each kind of event is called on the wire, and what it says there: one table each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.event_pb2 import ArgumentsDelta, InputDelta, SummaryPartEvent, SummaryTextDelta, SummaryTextDone

from rest_bridge.errors import error_object
from rest_bridge.wire import content, item, json

EVENT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "created": "response.created",
        "queued": "response.queued",
        "in_progress": "response.in_progress",
        "completed": "response.completed",
        "incomplete": "response.incomplete",
        "failed": "response.failed",
        "output_item_added": "response.output_item.added",
        "output_item_done": "response.output_item.done",
        "content_part_added": "response.content_part.added",
        "content_part_done": "response.content_part.done",
        "output_text_delta": "response.output_text.delta",
        "output_text_done": "response.output_text.done",
        "refusal_delta": "response.refusal.delta",
        "refusal_done": "response.refusal.done",
        "reasoning_text_delta": "response.reasoning_text.delta",
        "reasoning_text_done": "response.reasoning_text.done",
        "function_call_arguments_delta": "response.function_call_arguments.delta",
        "function_call_arguments_done": "response.function_call_arguments.done",
        "custom_tool_call_input_delta": "response.custom_tool_call_input.delta",
        "custom_tool_call_input_done": "response.custom_tool_call_input.done",
        "reasoning_summary_part_added": "response.reasoning_summary_part.added",
        "reasoning_summary_part_done": "response.reasoning_summary_part.done",
        "reasoning_summary_text_delta": "response.reasoning_summary_text.delta",
        "reasoning_summary_text_done": "response.reasoning_summary_text.done",
        "output_text_annotation_added": "response.output_text.annotation.added",
        "item_progress": "response.{type}.{phase}",
        "mcp_call_arguments_done": "response.mcp_call_arguments.done",
        "status": "response.status",
        "error": "error",
    }
)
"""The kind of an event in the contract → its `type` word on the wire."""

PHASES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "web_search_call": frozenset({"in_progress", "searching", "completed"}),
        "file_search_call": frozenset({"in_progress", "searching", "completed"}),
        "code_interpreter_call": frozenset({"in_progress", "interpreting", "completed"}),
        "image_generation_call": frozenset({"in_progress", "generating", "completed"}),
        "mcp_call": frozenset({"in_progress", "completed", "failed"}),
        "mcp_list_tools": frozenset({"in_progress", "completed", "failed"}),
    }
)
"""The steps of items that clients know; an event that they don't know makes some of them give up."""

_IN_ITEMS: Final = (ArgumentsDelta, InputDelta)
_IN_SUMMARIES: Final = (SummaryPartEvent, SummaryTextDelta, SummaryTextDone)
SNAPSHOTS: Final = frozenset({"created", "queued", "in_progress", "completed", "incomplete", "failed"})


def event_name(kind: str, body: Any) -> str:
    """The `type` word of an event that says `body`."""
    name = EVENT_NAMES[kind]
    return name.format(type=body.type, phase=body.phase) if kind == "item_progress" else name


def place_of(body: Any) -> dict[str, Any]:
    """Which item and which part of it an event is about."""
    place = {"item_id": body.item_id, "output_index": body.output_index}
    if isinstance(body, _IN_ITEMS):
        return place
    if isinstance(body, _IN_SUMMARIES):
        place["summary_index"] = body.summary_index
    else:
        place["content_index"] = body.content_index
    return place


def error_body(code: str, message: str, param: str) -> dict[str, Any]:
    """What an `error` event says."""
    # Both forms in one: SDKs look at `error`, the standard has its members beside `type`.
    return {"code": code, "message": message, "param": param or None, "error": error_object(code, message, param)}


def _item(body: Any) -> dict[str, Any]:
    return {"output_index": body.output_index, "item": item.render_item(body.item)}


def _part(body: Any) -> dict[str, Any]:
    return {**place_of(body), "part": content.render_part(body.part)}


BODIES: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        "output_item_added": _item,
        "output_item_done": _item,
        "content_part_added": _part,
        "content_part_done": _part,
        "output_text_delta": lambda body: {
            **place_of(body),
            "delta": body.delta,
            "logprobs": content.render_logprobs(body.logprobs),
        },
        "refusal_delta": lambda body: {**place_of(body), "delta": body.delta},
        "reasoning_text_delta": lambda body: {**place_of(body), "delta": body.delta},
        "function_call_arguments_delta": lambda body: {**place_of(body), "delta": body.delta},
        "custom_tool_call_input_delta": lambda body: {**place_of(body), "delta": body.delta},
        "custom_tool_call_input_done": lambda body: {
            "item_id": body.item_id,
            "output_index": body.output_index,
            "input": body.input,
        },
        "output_text_done": lambda body: {
            **place_of(body),
            "text": body.text,
            "logprobs": content.render_logprobs(body.logprobs) if body.logprobs else [],
        },
        "refusal_done": lambda body: {**place_of(body), "refusal": body.text},
        "reasoning_text_done": lambda body: {**place_of(body), "text": body.text},
        "function_call_arguments_done": lambda body: {
            "item_id": body.item_id,
            "output_index": body.output_index,
            "name": body.name,
            "call_id": body.call_id,
            "arguments": body.arguments,
        },
        "reasoning_summary_part_added": _part,
        "reasoning_summary_part_done": _part,
        "reasoning_summary_text_delta": lambda body: {**place_of(body), "delta": body.delta},
        "reasoning_summary_text_done": lambda body: {**place_of(body), "text": body.text},
        "output_text_annotation_added": lambda body: {
            **place_of(body),
            "annotation_index": body.annotation_index,
            "annotation": json.parse_stored(body.annotation_json),
        },
        "item_progress": lambda body: {"item_id": body.item_id, "output_index": body.output_index},
        "mcp_call_arguments_done": lambda body: {
            "item_id": body.item_id,
            "output_index": body.output_index,
            "arguments": body.arguments,
        },
        "status": lambda body: {"status": body.status},
        "error": lambda body: error_body(body.code, body.message, body.param),
    }
)
"""What each kind says beside its type and number; snapshots have a way of their own."""
