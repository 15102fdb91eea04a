"""What the fake Messages server says, as the API's JSON: as the events of a stream, or whole; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

PIECE = 8
USAGE: Json = {"input_tokens": 10, "output_tokens": 5}


@dataclass(frozen=True, slots=True)
class Said:
    """A message. `fault` happens behind the first delta: `hang`, `reset`, `cut`, `garbage`, or an error's type.

    `size` is how many bytes are written at once; 0 writes an event at a time.
    """

    content: Sequence[Json] = ()
    stop_reason: str = "end_turn"
    usage: Json = field(default_factory=lambda: USAGE)
    stop_details: Json | None = None
    size: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """An answer that is no success."""

    status: int
    kind: str
    message: str = "upstream-secret"
    headers: Mapping[str, str] = field(default_factory=dict)


def says(text: str, **more: Any) -> Said:
    """Returns a message of text."""
    return Said([{"type": "text", "text": text}], **more)


def thinking(text: str, signature: str) -> Json:
    """Returns a block of thinking."""
    return {"type": "thinking", "thinking": text, "signature": signature}


def calls(*functions: tuple[str, str, Json], before: Sequence[Json] = (), **more: Any) -> Said:
    """Returns a message that calls functions: id, name and input of each."""
    blocks = [{"type": "tool_use", "id": id_, "name": name, "input": args} for id_, name, args in functions]
    return Said([*before, *blocks], "tool_use", **more)


def whole(said: Said) -> Json:
    """Returns the answer to a request without streaming."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(said.content),
        "stop_reason": said.stop_reason,
        "stop_sequence": None,
        "stop_details": said.stop_details,
        "usage": said.usage,
    }


def events(said: Said) -> Iterator[Json]:
    """Yields the events of a stream."""
    begun = {**whole(said), "content": [], "stop_reason": None, "stop_details": None}
    yield {"type": "message_start", "message": {**begun, "usage": {**said.usage, "output_tokens": 1}}}
    for index, block in enumerate(said.content):
        yield {
            "type": "content_block_start",
            "index": index,
            "content_block": EMPTY.get(block["type"], {}) | _head(block),
        }
        if not index:
            yield {"type": "ping"}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": said.stop_reason, "stop_sequence": None, "stop_details": said.stop_details}
    yield {"type": "message_delta", "delta": delta, "usage": said.usage}
    yield {"type": "message_stop"}


def frame(event: Json) -> bytes:
    """Returns the event as it goes over the wire."""
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event, separators=(",", ":")).encode())


def error_body(kind: str, message: str) -> Json:
    """Returns the body of an error, and the event of one."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


EMPTY: Mapping[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _head(block: Json) -> Json:
    """What of a block comes with its start: all that doesn't grow."""
    grows = {*EMPTY.get(block["type"], {}), "citations"}
    return {key: value for key, value in block.items() if key not in grows}


def _deltas(block: Json) -> Iterator[Json]:
    kind = block["type"]
    if kind == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in _pieces(block["text"]))
        yield from ({"type": "citations_delta", "citation": each} for each in block.get("citations", ()))
    elif kind == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind == "tool_use":
        text = json.dumps(block["input"])
        yield {"type": "input_json_delta", "partial_json": ""}
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
