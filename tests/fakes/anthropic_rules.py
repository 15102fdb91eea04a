"""What Anthropic's Messages API refuses, as far as it is documented: a request → what is wrong with it; pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

KNOWN = frozenset(
    {
        "model",
        "messages",
        "max_tokens",
        "system",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "metadata",
        "service_tier",
        "stop_sequences",
        "stream",
    }
)
COUNTED = KNOWN - {"max_tokens", "metadata", "service_tier", "stop_sequences", "stream"}
ROLES = {
    "text": ("user", "assistant"),
    "image": ("user",),
    "document": ("user",),
    "tool_result": ("user",),
    "tool_use": ("assistant",),
    "thinking": ("assistant",),
    "redacted_thinking": ("assistant",),
}
MAX_MARKS = 4


def complaint(headers: Mapping[str, str], body: Json, *, counting: bool) -> str:
    """Returns the first thing that is wrong; empty for a good request."""
    return next(_complaints(headers, body, COUNTED if counting else KNOWN), "")


def _complaints(headers: Mapping[str, str], body: Json, known: frozenset[str]) -> Iterator[str]:
    if headers.get("anthropic-version") != "2026-10-21":
        yield "anthropic-version: header is required"
    yield from (f"{name}: Extra inputs are not permitted" for name in body.keys() - known)
    if "max_tokens" in known and not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        yield "messages: first message must use the user role"
    for before, after in itertools.pairwise(messages):
        if before["role"] == after["role"]:
            yield "messages: roles must alternate"
    if messages and messages[-1]["role"] == "assistant":
        yield "This model does not support assistant message prefill. The conversation must end with a user message."
    for message in messages:
        yield from _message_complaints(message)
    yield from _call_complaints(messages)
    yield from _tool_complaints(body, messages)
    if str(body).count("'cache_control'") > MAX_MARKS:
        yield "cache_control: at most 4 blocks"


def _message_complaints(message: Json) -> Iterator[str]:
    content = message["content"]
    if not content:
        yield "messages: content must not be empty"
    for block in content:
        if message["role"] not in ROLES.get(block["type"], ()):
            yield f"messages: {block['type']} in a message of the {message['role']}"
        if block["type"] == "text" and not block["text"].strip():
            yield "messages: text content blocks must contain non-whitespace text"
        if block["type"].endswith("thinking") and "cache_control" in block:
            yield "messages: thinking: cache_control: Extra inputs are not permitted"
        if block["type"] == "tool_use" and not isinstance(block["input"], dict):
            yield "messages: tool_use.input: Input should be an object"
    if content and content[-1]["type"].endswith("thinking"):
        yield "messages: The final block in an assistant message cannot be `thinking`"


def _call_complaints(messages: Sequence[Json]) -> Iterator[str]:
    called: list[str] = []
    for message in messages:
        answered = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        if sorted(answered) != sorted(called):
            yield "messages: each tool_use must have its tool_result in the next message"
        kinds = [block["type"] for block in message["content"]]
        if answered and "tool_result" in kinds[len(answered) :]:
            yield "messages: tool_result blocks come first"
        called = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if not all(re.fullmatch(r"[a-zA-Z0-9_-]+", call) for call in called):
            yield "messages: tool_use.id: String should match pattern"
    if called:
        yield "messages: a tool_use at the end"


def _tool_complaints(body: Json, messages: Sequence[Json]) -> Iterator[str]:
    tools = body.get("tools") or []
    if any("tool_use" in str(message["content"]) for message in messages) and not tools:
        yield "tools: must be defined where calls are in the conversation"
    if "tool_choice" in body and not tools:
        yield "tool_choice: needs tools"
    if any(tool["input_schema"].get("type") != "object" for tool in tools):
        yield "tools: input_schema.type: Field required"
    thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if thinks and body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "Thinking may not be enabled when tool_choice forces tool use."
    if body.get("thinking", {}).get("budget_tokens", 0) >= body.get("max_tokens", 1):
        yield "max_tokens must be greater than thinking.budget_tokens"
