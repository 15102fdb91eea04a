"""The body of POST /v1/responses/compact → CompactResponseRequest, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nodexa.v1.response_service_pb2 import CompactedConversation, CompactResponseRequest

from rest_bridge.wire import item, shape
from rest_bridge.wire.request import parse_create
from rest_bridge.wire.response import render_usage

READ: Final = frozenset(
    {
        "model",
        "input",
        "previous_response_id",
        "instructions",
        "tools",
        "reasoning",
        "temperature",
        "top_p",
        "seed",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "service_tier",
    }
)
"""The fields of a create body that say what the conversation is and how its model is asked; others have no effect."""


def parse_compact(body: Mapping[str, Any]) -> CompactResponseRequest:
    """Reads a request body. Raises errors.RequestError that names the field at fault."""
    if body.get("conversation") is not None:
        instead = "give previous_response_id, or the items themselves as input"
        raise shape.wrong("conversation", f"is not read here: {instead}", code="unsupported_parameter")
    if body.get("stream"):
        raise shape.wrong("stream", "can't be: a compaction is one answer", code="unsupported_parameter")
    read = {name: value for name, value in body.items() if name in READ}
    if body.get("input") is None and body.get("previous_response_id") is not None:
        read["input"] = []
    ignored = [name for name, value in body.items() if name not in READ and value is not None]
    asked = parse_create(read, user_tokens={}, ignored=ignored).request
    return CompactResponseRequest(
        assistant_id=asked.assistant_id,
        input=asked.input,
        previous_response_id=asked.previous_response_id,
        settings=asked.settings,
    )


def render_compacted(compacted: CompactedConversation) -> dict[str, Any]:
    """The whole object; its output is the input that goes on."""
    return {
        "id": compacted.id,
        "object": "response.compaction",
        "created_at": compacted.create_time.seconds,
        "output": item.render_items(compacted.output),
        "usage": render_usage(compacted.usage) if compacted.HasField("usage") else None,
        "nodexa": {"ignored": list(dict.fromkeys(compacted.ignored))},
    }
