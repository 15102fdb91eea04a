"""What the fake chat server answers by itself: a table from the first word of the last user message to a reply.

count N         the numbers 1 to N, one a token
slow …          the rest of the message, a word every 50 ms
call …          calls of the offered tool that the message names, else of the first one: one for each place behind
                ` in `, split at ` and ` and `,` (`call weather in Paris and Rome`), else one with made-up arguments
recall          the first user message of the conversation
instructions    the system prompt
think …         some reasoning, then the rest of the message
refuse          a refusal
nousage …       the rest of the message, and no usage
stall           nothing at all, not even a head
hang, reset, cut, garbage, complain
                one token, then: silence, a reset, a clean end without finish_reason, a frame that is no JSON, an
                error object
fits N …        the rest of the message; for more than N messages HTTP 400 about the context length
unauthorized, throttled, broken, unavailable, overflow
                HTTP 401, 429 with `retry-after: 7`, 500, 503, 400 about the context length
anything else   the message itself, word by word

Before the table: after tool outputs the reply is `The tools said: …`; `tool_choice` required or named gets a call; a
`response_format` gets JSON that obeys it. `max_tokens` cuts every reply (finish_reason `length`).
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, before it is put into frames. `fault` happens behind the first piece (`stall`: before the head)."""

    text: Sequence[str] = ()
    reasoning: Sequence[str] = ()
    refusal: str = ""
    calls: Sequence[tuple[str, Json]] = ()
    finish: str = "stop"
    usage: bool = True
    pause: float = 0.0
    fault: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Json = field(default_factory=dict)


def words(text: str) -> list[str]:
    """Returns the tokens of a text: words with the space before them."""
    return re.findall(r"\s*\S+|\s+$", text)


def reply_to(body: Json) -> Reply:
    """Returns what the request gets."""
    reply = _reply(body)
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    if limit and len(reply.text) > limit:
        return replace(reply, text=reply.text[:limit], finish="length")
    return reply


def message_text(message: Json) -> str:
    """Returns the text of a message whose content is text or a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "<image>") for part in content)


def _reply(body: Json) -> Reply:
    messages = body["messages"]
    if messages[-1]["role"] == "tool":
        return Reply(words("The tools said: " + "; ".join(_tool_outputs(messages))))
    asked = next((message_text(message) for message in reversed(messages) if message["role"] == "user"), "")
    choice = body.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        return _call(asked, body)
    if form := body.get("response_format"):
        schema = form.get("json_schema", {}).get("schema", {"type": "object", "properties": {"answer": {}}})
        return Reply(words(json.dumps(instance(schema))))
    first, _, rest = asked.strip().partition(" ")
    table_entry = TABLE.get(first.lower())
    return table_entry(rest, body) if table_entry else Reply(words(asked))


def _tool_outputs(messages: Sequence[Json]) -> list[str]:
    last = max((index for index, message in enumerate(messages) if message["role"] != "tool"), default=-1)
    return [message_text(message) for message in messages[last + 1 :]]


def _call(text: str, body: Json) -> Reply:
    functions = [tool["function"] for tool in body.get("tools", ())]
    if not functions or body.get("tool_choice") == "none":
        return Reply(words(text))
    choice = body.get("tool_choice")
    wanted = choice["function"]["name"] if isinstance(choice, dict) else text.lower()
    function = next((each for each in functions if each["name"].lower() in wanted.lower()), None)
    function = function or next((each for each in functions if wanted.split()[0] in each["name"]), functions[0])
    places = [place.strip(" .?!") for place in re.split(r" and |,", text.partition(" in ")[2]) if place.strip()]
    names = list(function["parameters"].get("properties", {})) or ["value"]
    found = [(function["name"], {names[0]: place}) for place in places] or [
        (function["name"], instance(function["parameters"]))
    ]
    calls = found[:1] if body.get("parallel_tool_calls") is False else found
    return Reply(calls=calls, finish="tool_calls")


def instance(schema: Json, root: Json | None = None) -> Any:
    """Returns a small value that obeys a simple JSON Schema; `root` is the whole that references are looked up in."""
    root = schema if root is None else root
    if "$ref" in schema or "anyOf" in schema:
        path = schema["$ref"].split("/")[1:] if "$ref" in schema else ()
        return instance(functools.reduce(operator.getitem, path, root) if path else schema["anyOf"][0], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: instance(each, root) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), root)] * max(1, schema.get("minItems", 1))
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}[kind]


def _first(role: str) -> Callable[[str, Json], Reply]:
    def reply(_: str, body: Json) -> Reply:
        return Reply(words(next((message_text(each) for each in body["messages"] if each["role"] == role), "nothing")))

    return reply


def _fault(name: str) -> Callable[[str, Json], Reply]:
    return lambda rest, _: Reply(words(rest or "One two three"), fault=name)


def _status(status: int, message: str, *, code: str = "", **headers: str) -> Callable[[str, Json], Reply]:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}
    return lambda _, __: Reply(status=status, error=error, headers={k.replace("_", "-"): v for k, v in headers.items()})


_TOO_LONG = _status(400, "This model's maximum context length is 4096 tokens.", code="context_length_exceeded")


def _fits(text: str, body: Json) -> Reply:
    limit, _, rest = text.partition(" ")
    return _TOO_LONG("", body) if len(body["messages"]) > int(limit) else Reply(words(rest))


TABLE: Mapping[str, Callable[[str, Json], Reply]] = {
    "count": lambda rest, _: Reply(words(" ".join(str(n) for n in range(1, int(rest.split()[0]) + 1)))),
    "slow": lambda rest, _: Reply(words(rest), pause=0.05),
    "call": _call,
    "recall": _first("user"),
    "instructions": _first("system"),
    "think": lambda rest, _: Reply(words(rest), reasoning=words("Let me think.")),
    "refuse": lambda _, __: Reply(refusal="I can't help with that."),
    "nousage": lambda rest, _: Reply(words(rest), usage=False),
    **{name: _fault(name) for name in ("stall", "hang", "reset", "cut", "garbage", "complain")},
    "unauthorized": _status(401, "Incorrect API key provided: sk-upstream-secret.", code="invalid_api_key"),
    "throttled": _status(429, "Rate limit reached.", code="rate_limit_exceeded", retry_after="7"),
    "broken": _status(500, "CUDA error: upstream-secret"),
    "unavailable": _status(503, "Loading model"),
    "overflow": _TOO_LONG,
    "fits": _fits,
}
