"""The schemas of the events of a stream, one for each `type` word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.schema import Schema, constant, items, nullable, of, ref, whole
from rest_bridge.wire.dialect import Dialect, told_name
from rest_bridge.wire.event_body import EVENT_NAMES, PHASES, SNAPSHOTS

_TEXT: Final = of("string")
_INDEX: Final = of("integer", minimum=0)
_ITEM: Final = {"item_id": _TEXT, "output_index": _INDEX}
_PLACE: Final = _ITEM | {"content_index": _INDEX}
_SUMMARY: Final = _ITEM | {"summary_index": _INDEX}
_PART: Final = {"part": ref("ContentPart")}
_LOGPROBS: Final = {"logprobs": items(ref("TokenLogprob"))}
_WHOLE_ITEM: Final = {"output_index": _INDEX, "item": ref("Item")}

BODIES: Final[Mapping[str, tuple[str, Mapping[str, Schema]]]] = MappingProxyType(
    {
        "output_item_added": ("An item begins.", _WHOLE_ITEM),
        "output_item_done": ("The item, whole.", _WHOLE_ITEM),
        "content_part_added": ("A part of an item begins.", _PLACE | _PART),
        "content_part_done": ("The part, whole.", _PLACE | _PART),
        "output_text_delta": ("More text.", _PLACE | {"delta": _TEXT} | _LOGPROBS),
        "output_text_done": ("The text, whole.", _PLACE | {"text": _TEXT} | _LOGPROBS),
        "refusal_delta": ("More of a refusal.", _PLACE | {"delta": _TEXT}),
        "refusal_done": ("The refusal, whole.", _PLACE | {"refusal": _TEXT}),
        "reasoning_text_delta": ("More of what the model thinks.", _PLACE | {"delta": _TEXT}),
        "reasoning_text_done": ("What the model thought, whole.", _PLACE | {"text": _TEXT}),
        "function_call_arguments_delta": ("More of a call's arguments.", _ITEM | {"delta": _TEXT}),
        "function_call_arguments_done": (
            "The call, whole.",
            _ITEM | {"name": _TEXT, "call_id": _TEXT, "arguments": _TEXT},
        ),
        "custom_tool_call_input_delta": ("More of a custom tool's input.", _ITEM | {"delta": _TEXT}),
        "custom_tool_call_input_done": ("The input, whole.", _ITEM | {"input": _TEXT}),
        "reasoning_summary_part_added": ("A part of the summary begins.", _SUMMARY | _PART),
        "reasoning_summary_part_done": ("The part, whole.", _SUMMARY | _PART),
        "reasoning_summary_text_delta": ("More of the summary.", _SUMMARY | {"delta": _TEXT}),
        "reasoning_summary_text_done": ("The part's text, whole.", _SUMMARY | {"text": _TEXT}),
        "output_text_annotation_added": (
            "A citation or file reference.",
            _PLACE | {"annotation_index": _INDEX, "annotation": nullable(of("object"))},
        ),
        "item_progress": ("How far a call is that the client need not run.", _ITEM),
        "mcp_call_arguments_done": ("The arguments of a call of an MCP server's tool.", _ITEM | {"arguments": _TEXT}),
        "status": ("What Nodexa does now; only for clients that ask for its dialect.", {"status": _TEXT}),
        "error": (
            "The response failed, and `response.failed` follows; or this stream ends early for a reason of its own.",
            {"code": _TEXT, "message": _TEXT, "param": nullable(_TEXT), "error": ref("ErrorObject")},
        ),
    }
)
"""What each kind of event is, and what it says beside its type and number; snapshots say the response."""

_SNAPSHOTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "created": "The response exists.",
        "queued": "It waits for its turn.",
        "in_progress": "The model works.",
        "completed": "The end: all is said, or the client's functions are called.",
        "incomplete": "The end: a limit cut it, or it was cancelled.",
        "failed": "The end: it failed, and `response.error` says why.",
    }
)


def described() -> Iterator[tuple[str, str, Schema]]:
    """The kind, the `type` word and the schema of every event."""
    for kind, name in EVENT_NAMES.items():
        names = _progress() if kind == "item_progress" else dict.fromkeys((name, told_name(Dialect.NODEXA, name)))
        says, body = _body(kind)
        for each in names:
            head = {"type": constant(each), "sequence_number": of("integer", minimum=0)}
            yield kind, each, whole({**head, **body}, says)


def component(name: str) -> str:
    """What the schema of an event is called: response.created → ResponseCreatedEvent."""
    return "".join(part.capitalize() for part in re.split(r"[._]", name)) + "Event"


def schemas() -> dict[str, Schema]:
    """The components of events."""
    found = {component(name): schema for _, name, schema in described()}
    told = "One event of a stream. The last one is response.completed, response.incomplete or response.failed."
    stream: Schema = {"description": told, "oneOf": [ref(name) for name in found]}
    words = {name: ref(component(name))["$ref"] for _, name, _ in described()}
    return found | {"StreamEvent": stream | {"discriminator": {"propertyName": "type", "mapping": words}}}


def _body(kind: str) -> tuple[str, Mapping[str, Schema]]:
    if kind in SNAPSHOTS:
        return _SNAPSHOTS.get(kind, ""), {"response": ref("Response")}
    return BODIES.get(kind, ("", {}))


def _progress() -> list[str]:
    return [f"response.{item}.{phase}" for item, phases in PHASES.items() for phase in sorted(phases)]
