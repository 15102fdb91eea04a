"""Writes what chat-completions servers send, and reads it with the code under test."""

from __future__ import annotations

import json
from typing import Any

from service.model.chat_reply import JsonReader, StreamReader
from service.model.chunk import Chunk, Finish, FinishReason, ToolCallDelta

STOP = Finish(FinishReason.STOP)
DONE = b"data: [DONE]\n\n"


def frame(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: Any) -> bytes:
    return frame({"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]})


def calls(*entries: dict[str, Any]) -> bytes:
    return delta(tool_calls=list(entries))


def streamed(*frames: bytes) -> list[Chunk]:
    reader = StreamReader("m")
    chunks = [chunk for each in frames for chunk in reader.feed(each)]
    return chunks + reader.end()


def whole(message: dict[str, Any], **fields: Any) -> list[Chunk]:
    reader = JsonReader("m")
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    reader.feed(json.dumps({"choices": [choice], **fields}).encode())
    return reader.end()


def joined(chunks: list[Chunk]) -> dict[int, tuple[str, str, str]]:
    """Folds tool calls into index → (name, id, arguments)."""
    found: dict[int, tuple[str, str, str]] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolCallDelta):
            name, call_id, arguments = found.get(chunk.index, (chunk.name, chunk.call_id, ""))
            assert name, "the first piece of a call carries its name"
            found[chunk.index] = (name, call_id, arguments + chunk.arguments)
    return found


def entry(arguments: object = None, **fields: Any) -> dict[str, Any]:
    name = fields.pop("name", None)
    function = {**({"name": name} if name else {}), **({} if arguments is None else {"arguments": arguments})}
    return {**fields, "function": function}
