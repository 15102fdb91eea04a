"""What a Responses server says: the events of each kind of item, of a whole response, or the same as one JSON; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]

USAGE: Json = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 18,
}


def answer(*items: Sequence[Json], status: str = "completed", **fields: Any) -> list[Json]:
    """All events of a response with these items; `fields` are more of the response at its end."""
    output = [events[-1]["item"] for events in items]
    begun = {"id": "resp_up", "object": "response", "status": "in_progress", "output": []}
    ended = {**begun, "status": status, "output": output, "usage": USAGE, **fields}
    end = {"completed": "completed", "requires_action": "completed", "failed": "failed"}.get(status, "incomplete")
    return [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        *({**event, "output_index": index} for index, events in enumerate(items) for event in events),
        {"type": f"response.{end}", "response": ended},
    ]


def whole(events: Sequence[Json]) -> Json:
    """The response that the events end with."""
    response: Json = events[-1]["response"]
    return response


def message(
    *pieces: str, logprobs: Sequence[Json] = (), annotations: Sequence[Json] = (), phase: str = ""
) -> list[Json]:
    """A message that comes in `pieces`; the first of them has the `logprobs`."""
    label = {"phase": phase} if phase else {}
    part = {"type": "output_text", "text": "".join(pieces), "annotations": list(annotations)}
    return [
        _added("message", "msg_up", role="assistant", content=[]),
        {"type": "response.content_part.added", "part": {**part, "text": ""}},
        *(_delta("output_text", piece, logprobs=[] if place else list(logprobs)) for place, piece in enumerate(pieces)),
        *({"type": "response.output_text.annotation.added", "annotation": each} for each in annotations),
        {"type": "response.output_text.done", "text": part["text"]},
        _done("message", "msg_up", role="assistant", content=[{**part, "logprobs": list(logprobs)}], **label),
    ]


def refusal(*pieces: str) -> list[Json]:
    """A message that is a refusal."""
    part = {"type": "refusal", "refusal": "".join(pieces)}
    return [
        _added("message", "msg_no", role="assistant", content=[]),
        *(_delta("refusal", piece) for piece in pieces),
        _done("message", "msg_no", role="assistant", content=[part]),
    ]


def reasoning(
    *, summary: Iterable[str] = (), content: Iterable[str] = (), encrypted: str = "", id: str = "rs_up"
) -> list[Json]:
    """Thinking: each summary and each content in two pieces."""
    item: Json = {
        "summary": [{"type": "summary_text", "text": text} for text in summary],
        "content": [{"type": "reasoning_text", "text": text} for text in content],
    }
    if encrypted:
        item["encrypted_content"] = encrypted
    return [
        _added("reasoning", id, summary=[]),
        *(
            _delta("reasoning_summary_text", piece, summary_index=index)
            for index, each in enumerate(item["summary"])
            for piece in (each["text"][:2], each["text"][2:])
        ),
        *(
            _delta("reasoning_text", piece)
            for each in item["content"]
            for piece in (each["text"][:2], each["text"][2:])
        ),
        _done("reasoning", id, **item),
    ]


def function_call(name: str, arguments: str, *, call_id: str = "call_up", namespace: str = "") -> list[Json]:
    """A call of a function, its arguments in pieces of five."""
    named = {"name": name, "call_id": call_id, **({"namespace": namespace} if namespace else {})}
    pieces = [arguments[at : at + 5] for at in range(0, len(arguments), 5)]
    return [
        _added("function_call", "fc_up", arguments="", **named),
        *(_delta("function_call_arguments", piece) for piece in pieces),
        {"type": "response.function_call_arguments.done", "arguments": arguments},
        _done("function_call", "fc_up", arguments=arguments, **named),
    ]


def custom_call(name: str, text: str, *, call_id: str = "call_up") -> list[Json]:
    """A call of a custom tool, its text letter by letter."""
    return [
        _added("custom_tool_call", "ctc_up", name=name, call_id=call_id, input=""),
        *(_delta("custom_tool_call_input", letter) for letter in text),
        _done("custom_tool_call", "ctc_up", name=name, call_id=call_id, input=text),
    ]


def web_search(query: str) -> list[Json]:
    """A search that the server runs."""
    action = {"type": "search", "query": query}
    return [
        _added("web_search_call", "ws_up", action=action),
        {"type": "response.web_search_call.in_progress", "item_id": "ws_up"},
        {"type": "response.web_search_call.searching", "item_id": "ws_up"},
        {"type": "response.web_search_call.completed", "item_id": "ws_up"},
        _done("web_search_call", "ws_up", action=action),
    ]


def failed(code: str, words: str = "upstream-secret") -> list[Json]:
    """A response that fails before it says anything."""
    return answer(status="failed", error={"code": code, "message": words}, usage=None)


def _added(kind: str, id: str, **fields: Any) -> Json:
    item = {"type": kind, "id": id, "status": "in_progress", **fields}
    return {"type": "response.output_item.added", "item": item}


def _done(kind: str, id: str, **fields: Any) -> Json:
    item = {"type": kind, "id": id, "status": "completed", **fields}
    return {"type": "response.output_item.done", "item": item}


def _delta(kind: str, piece: str, **fields: Any) -> Json:
    return {"type": f"response.{kind}.delta", "delta": piece, **fields}
