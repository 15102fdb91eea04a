"""A fake reply as chat-completions JSON: as the frames of a stream, or whole; pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

from tests.fakes.chat_words import Json, Reply, message_text, words

PIECE = 8


def frames(reply: Reply, body: Json) -> Iterator[Json]:
    """Yields the role, the pieces (those of several calls take turns), the end, and the usage where asked for."""
    yield _frame({"role": "assistant", "content": ""})
    for delta in _deltas(reply):
        yield _frame(delta)
    yield _frame({}, finish=reply.finish)
    if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
        yield {**_frame({}), "choices": [], "usage": _usage(reply, body)}


def whole(reply: Reply, body: Json) -> Json:
    """Returns the answer to a request without streaming."""
    message: Json = {"role": "assistant", "content": "".join(reply.text) or None}
    if reply.reasoning:
        message["reasoning_content"] = "".join(reply.reasoning)
    if reply.refusal:
        message["refusal"] = reply.refusal
    if reply.calls:
        message["tool_calls"] = [
            {**_opening(index, name), "function": {"name": name, "arguments": json.dumps(arguments)}}
            for index, (name, arguments) in enumerate(reply.calls)
        ]
    answer: Json = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
    }
    return {**answer, "usage": _usage(reply, body)} if reply.usage else answer


def error_body(reply: Reply) -> Json:
    """Returns the body of an error."""
    return {"error": reply.error}


def _deltas(reply: Reply) -> Iterator[Json]:
    yield from ({"reasoning_content": piece} for piece in reply.reasoning)
    yield from ({"content": piece} for piece in reply.text)
    yield from ({"refusal": piece} for piece in words(reply.refusal))
    for index, (name, _) in enumerate(reply.calls):
        yield {"tool_calls": [_opening(index, name)]}
    texts = [json.dumps(arguments) for _, arguments in reply.calls]
    pieces = [[text[at : at + PIECE] for at in range(0, len(text), PIECE)] for text in texts]
    for round_of in itertools.zip_longest(*pieces):
        for index, piece in enumerate(round_of):
            if piece is not None:
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _opening(index: int, name: str) -> Json:
    return {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}


def _frame(delta: Json, *, finish: str | None = None) -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _usage(reply: Reply, body: Json) -> Json:
    """Counts words: enough to see that the numbers arrive."""
    read = sum(len(words(message_text(message))) for message in body["messages"])
    written = len(reply.text) + len(reply.reasoning) + len(words(reply.refusal)) + len(reply.calls)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(reply.reasoning)},
    }
