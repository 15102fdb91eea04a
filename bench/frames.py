"""The bytes of the mock's replies, made once a shape: for chat completions and for responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.shape import Shape

# Every id of a reply ends in this word, which is replaced by one of the same length.
ID = b"IDIDIDIDIDID"
STAMP = b"~STAMPSTAMPSTAMPST~"
_ID = ID.decode()
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed reply: `first` comes with the head, then the tokens one by one, then `last`."""

    first: bytes
    tokens: tuple[bytes, ...]
    last: bytes

    def whole(self) -> bytes:
        """All of it at once; each event is an HTTP chunk of its own, as model servers send them."""
        return b"".join((self.first, *self.tokens, self.last))


def _words(shape: Shape) -> list[str]:
    return [f" {STAMP.decode()}" if shape.stamped else f" t{number}" for number in range(shape.tokens)]


def json_reply(body: Mapping[str, Any]) -> bytes:
    """An HTTP answer with a JSON body."""
    data = _json(body)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _data(body: Mapping[str, Any]) -> bytes:
    return _chunk(b"data: %s\n\n" % _json(body))


# Chat completions.


def _completion(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"chatcmpl-{_ID}", "object": kind, "created": 1, "model": "mock"} | fields


def _chat_usage(shape: Shape) -> dict[str, int]:
    return {"prompt_tokens": 8, "completion_tokens": shape.tokens, "total_tokens": shape.tokens + 8}


def _chat_calls(shape: Shape) -> list[dict[str, Any]]:
    function = {"name": "look", "arguments": '{"at":"it"}'}
    return [{"index": n, "id": f"call_{n}_{_ID}", "type": "function", "function": function} for n in range(shape.calls)]


@cache
def chat_whole(shape: Shape) -> bytes:
    """A chat completion as JSON."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(_words(shape))}
    if shape.calls:
        message |= {"tool_calls": _chat_calls(shape)}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if shape.calls else "stop"}
    return json_reply(_completion("chat.completion", choices=[choice], usage=_chat_usage(shape)))


@cache
def chat_stream(shape: Shape) -> Stream:
    """A chat completion as SSE."""

    def piece(delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _data(_completion("chat.completion.chunk", choices=[choice]))

    calls = [piece({"tool_calls": [call]}) for call in _chat_calls(shape)]
    usage = _data(_completion("chat.completion.chunk", choices=[], usage=_chat_usage(shape)))
    end = [*calls, piece({}, "tool_calls" if shape.calls else "stop"), usage, _chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n"]
    first = _STREAM_HEAD + piece({"role": "assistant", "content": ""})
    return Stream(first, tuple(piece({"content": word}) for word in _words(shape)), b"".join(end))


# Responses.


def _response(status: str, output: Iterable[Mapping[str, Any]], usage: Mapping[str, Any] | None) -> dict[str, Any]:
    settings = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0}
    unset = {"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "usage": usage}
    head = {"id": f"resp_{_ID}", "object": "response", "created_at": 1, "status": status, "model": "mock"}
    return head | {"output": list(output)} | settings | unset


def _usage(shape: Shape) -> dict[str, Any]:
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    counts = {"input_tokens": 8, "output_tokens": shape.tokens, "total_tokens": shape.tokens + 8}
    return counts | details


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{_ID}", "status": status, "role": "assistant", "content": content}


@cache
def responses_whole(shape: Shape) -> bytes:
    """A response as JSON."""
    message = _message("completed", [_part("".join(_words(shape)))])
    return json_reply(_response("completed", [message], _usage(shape)))


@cache
def responses_stream(shape: Shape) -> Stream:
    """A response as SSE, with the whole ladder of events."""
    count = 0

    def event(kind: str, **fields: Any) -> bytes:
        nonlocal count
        body = {"type": f"response.{kind}", "sequence_number": count} | fields
        count += 1
        return _chunk(b"event: response.%s\ndata: %s\n\n" % (kind.encode(), _json(body)))

    text = "".join(_words(shape))
    item = {"output_index": 0, "item_id": f"msg_{_ID}", "content_index": 0}
    done = _message("completed", [_part(text)])
    first = [
        event("created", response=_response("in_progress", [], None)),
        event("in_progress", response=_response("in_progress", [], None)),
        event("output_item.added", output_index=0, item=_message("in_progress", [])),
        event("content_part.added", **item, part=_part("")),
    ]
    tokens = tuple(event("output_text.delta", **item, delta=word, logprobs=[]) for word in _words(shape))
    last = [
        event("output_text.done", **item, text=text, logprobs=[]),
        event("content_part.done", **item, part=_part(text)),
        event("output_item.done", output_index=0, item=done),
        event("completed", response=_response("completed", [done], _usage(shape))),
        b"0\r\n\r\n",
    ]
    return Stream(_STREAM_HEAD + b"".join(first), tokens, b"".join(last))
