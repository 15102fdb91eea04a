"""A prompt → the body of a Responses request; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from nodexa.v1.response_pb2 import JsonSchema, ResponseSettings, TextFormat
from nodexa.v1.tool_pb2 import AllowedTool, CustomTool, FunctionTool, Tool, ToolChoice

from service.model.model import Prompt
from service.model.responses_items import Json, input_items

NO_ARGUMENTS: Final = '{"type":"object","properties":{}}'
ENCRYPTED: Final = "reasoning.encrypted_content"
MODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        ToolChoice.MODE_UNSPECIFIED: "auto",
        ToolChoice.MODE_AUTO: "auto",
        ToolChoice.MODE_NONE: "none",
        ToolChoice.MODE_REQUIRED: "required",
    }
)
AS_THEY_ARE: Final = (
    "temperature",
    "top_p",
    "max_output_tokens",
    "top_logprobs",
    "max_tool_calls",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
)


def responses_body(prompt: Prompt, *, model: str, server: str) -> bytes:
    """Returns the request's JSON. `model` is the server's id of it, `server` its base URL.

    The server is asked to keep nothing; what it thinks comes back encrypted, so that it can be sent again.
    """
    settings = prompt.settings
    return orjson.dumps(
        {
            **dict(_prompt(prompt, model=model, server=server)),
            "stream": prompt.streaming,
            "store": False,
            "include": [*(word for word in settings.include if word != ENCRYPTED), ENCRYPTED],
            **{name: getattr(settings, name) for name in AS_THEY_ARE if settings.HasField(name)},
        }
    )


def count_body(prompt: Prompt, *, model: str, server: str) -> bytes:
    """Returns the JSON of a request that only counts: settings that say nothing to the model are refused there."""
    return orjson.dumps(dict(_prompt(prompt, model=model, server=server)))


def _prompt(prompt: Prompt, *, model: str, server: str) -> Iterator[tuple[str, Any]]:
    """Yields what the model is shown."""
    settings = prompt.settings
    yield "model", model
    yield "input", input_items(prompt.items, server=server)
    if prompt.instructions:
        yield "instructions", prompt.instructions
    if text := _text(settings):
        yield "text", text
    if reasoning := {name: getattr(settings.reasoning, name) for name in _given(settings.reasoning)}:
        yield "reasoning", reasoning
    if settings.tools.tools:
        yield "tools", [_tool(tool) for tool in settings.tools.tools]
        if settings.HasField("tool_choice"):
            yield "tool_choice", _choice(settings.tool_choice)
        if settings.HasField("parallel_tool_calls"):
            yield "parallel_tool_calls", settings.parallel_tool_calls


def _text(settings: ResponseSettings) -> Json:
    text: Json = {}
    if settings.text.HasField("format"):
        text["format"] = _format(settings.text.format)
    if settings.text.HasField("verbosity"):
        text["verbosity"] = settings.text.verbosity
    return text


def _format(form: TextFormat) -> Json:
    kind = form.WhichOneof("kind") or "text"
    return {"type": kind, **(_schema(form.json_schema) if kind == "json_schema" else {})}


def _schema(schema: JsonSchema) -> Json:
    shown: Json = {"name": schema.name, "schema": orjson.Fragment(schema.schema_json or "{}")}
    return shown | {name: getattr(schema, name) for name in ("strict", "description") if schema.HasField(name)}


def _given(message: Any) -> list[str]:
    return [descriptor.name for descriptor, _ in message.ListFields()]


def _tool(tool: Tool) -> Any:
    kind = tool.WhichOneof("kind")
    if kind == "function":
        return _function(tool.function)
    if kind == "custom":
        return _custom(tool.custom)
    if kind == "namespace":
        named = {"type": "namespace", "name": tool.namespace.name, "description": tool.namespace.description}
        return named | {"tools": [_tool(inner) for inner in tool.namespace.tools]}
    return orjson.Fragment(tool.opaque.json)


def _function(tool: FunctionTool) -> Json:
    shown: Json = {"type": "function", "name": tool.name}
    shown["parameters"] = orjson.Fragment(tool.parameters_json or NO_ARGUMENTS)
    return shown | {name: getattr(tool, name) for name in ("description", "strict") if tool.HasField(name)}


def _custom(tool: CustomTool) -> Json:
    shown: Json = {"type": "custom", "name": tool.name}
    if tool.HasField("description"):
        shown["description"] = tool.description
    if tool.HasField("grammar"):
        grammar = tool.grammar
        shown["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return shown


def _choice(choice: ToolChoice) -> Any:
    kind = choice.WhichOneof("kind")
    if kind in ("function", "custom"):
        return _named(kind, getattr(choice, kind))
    if kind == "allowed_tools":
        allowed = choice.allowed_tools
        tools = [_allowed(tool) for tool in allowed.tools]
        return {"type": "allowed_tools", "mode": MODES[allowed.mode], "tools": tools}
    if kind == "opaque":
        return orjson.Fragment(choice.opaque.json)
    return MODES[choice.mode]


def _allowed(tool: AllowedTool) -> Any:
    kind = str(tool.WhichOneof("kind"))
    if kind == "opaque":
        return orjson.Fragment(tool.opaque.json)
    return {"type": kind, "name": tool.namespace.name} if kind == "namespace" else _named(kind, getattr(tool, kind))


def _named(kind: str, named: Any) -> Json:
    shown = {"type": kind, "name": named.name}
    return shown | {"namespace": named.namespace} if named.namespace else shown
