"""A prompt → the body of a chat-completions request; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from nodexa.v1.response_pb2 import JsonSchema, ResponseSettings
from nodexa.v1.tool_pb2 import FunctionTool, ToolChoice

from service.model.chat_history import chat_history
from service.model.model import Prompt
from service.model.offers import functions_only

LOGPROBS = "message.output_text.logprobs"
NO_ARGUMENTS = '{"type":"object","properties":{}}'
CHOICES: Mapping[int, str] = {
    ToolChoice.MODE_UNSPECIFIED: "auto",
    ToolChoice.MODE_AUTO: "auto",
    ToolChoice.MODE_NONE: "none",
    ToolChoice.MODE_REQUIRED: "required",
}
# `max_tokens` is what most servers know (some know only that); OpenAI's newer models refuse it. Some servers refuse a
# request for saying one of the fields below.
OPENAI_ONLY = ("user", "safety_identifier", "prompt_cache_key", "service_tier")
OPENAI_HOSTS = ("api.openai.com", "openai.azure.com", "services.ai.azure.com")

MOST_KEPT = 256
MOST_TAIL = 64 * 1024
KEPT_BYTES = 1024 * 1024

STREAM: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def chat_body(prompt: Prompt, *, model: str, openai: bool = False) -> bytes:
    """Returns the request's JSON. `model` is the server's id of it; `openai` as `is_openai` says."""
    head, tail = chat_frame(prompt.settings, model=model, streaming=prompt.streaming, openai=openai)
    return head + chat_history(prompt.instructions, prompt.items) + tail


def chat_frame(settings: ResponseSettings, *, model: str, streaming: bool, openai: bool) -> tuple[bytes, bytes]:
    """Returns what stands in the request's JSON before its messages and behind them."""
    settings = functions_only(settings)
    body: dict[str, Any] = {}
    if streaming:
        body |= STREAM
    if settings.HasField("max_output_tokens"):
        body["max_completion_tokens" if openai else "max_tokens"] = settings.max_output_tokens
    if openai:
        told = {descriptor.name for descriptor, _ in settings.ListFields()}
        body.update((name, getattr(settings, name)) for name in OPENAI_ONLY if name in told)
    body.update(sampling(settings))
    body.update(form(settings))
    body.update(_tools(settings))
    head = orjson.dumps({"model": model})[:-1] + b',"messages":'
    return head, b"," + orjson.dumps(body)[1:] if body else b"}"


class ChatBodies:
    """Makes the bodies for one model on one server: what settings come to is kept, since most requests share them."""

    def __init__(self, model: str, *, openai: bool) -> None:
        self._model = model
        self._openai = openai
        # With the settings themselves, so that no others get their identity meanwhile.
        self._kept: dict[tuple[int, bool], tuple[ResponseSettings, bytes, bytes]] = {}
        self._size = 0

    def body(self, prompt: Prompt) -> bytes:
        """Returns what `chat_body` does. Settings that were in a prompt are never changed."""
        settings, streaming = prompt.settings, prompt.streaming
        kept = self._kept.get((id(settings), streaming))
        if kept is None:
            head, tail = chat_frame(settings, model=self._model, streaming=streaming, openai=self._openai)
            kept = settings, head, tail
            if len(tail) <= MOST_TAIL:
                self._keep(kept, streaming=streaming)
        return kept[1] + chat_history(prompt.instructions, prompt.items) + kept[2]

    def _keep(self, made: tuple[ResponseSettings, bytes, bytes], *, streaming: bool) -> None:
        size = len(made[1]) + len(made[2])
        if len(self._kept) >= MOST_KEPT or self._size + size > KEPT_BYTES:
            self._kept.clear()
            self._size = 0
        self._kept[id(made[0]), streaming] = made
        self._size += size


def is_openai(base_url: str) -> bool:
    """Returns whether the server at `base_url` is OpenAI's own, which has fields that no other needs to know."""
    host = urlsplit(base_url).hostname or ""
    return any(host == name or host.endswith(f".{name}") for name in OPENAI_HOSTS)


def functions(settings: ResponseSettings) -> list[FunctionTool]:
    """Returns the functions that the model may call; tools of other kinds are not shown to it."""
    return [tool.function for tool in settings.tools.tools if tool.HasField("function")]


def sampling(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    """Yields the fields that say how tokens are chosen, where the answer stops and what is told of it."""
    for name in ("temperature", "top_p", "seed"):
        if settings.HasField(name):
            yield name, getattr(settings, name)
    if settings.stop:
        yield "stop", list(settings.stop)
    if LOGPROBS in settings.include:
        yield "logprobs", True
        if settings.top_logprobs:
            yield "top_logprobs", settings.top_logprobs
    if settings.reasoning.HasField("effort"):
        yield "reasoning_effort", settings.reasoning.effort


def form(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    """Yields the fields that say what the text must look like."""
    if settings.text.HasField("verbosity"):
        yield "verbosity", settings.text.verbosity
    kind = settings.text.format.WhichOneof("kind")
    if kind == "json_object":
        yield "response_format", {"type": "json_object"}
    elif kind == "json_schema":
        yield "response_format", schema_format(settings.text.format.json_schema)


def schema_format(schema: JsonSchema) -> dict[str, Any]:
    """Returns the `response_format` of a schema."""
    return {"type": "json_schema", "json_schema": dict(_schema(schema))}


def _schema(schema: JsonSchema) -> Iterator[tuple[str, Any]]:
    yield "name", schema.name
    yield "schema", orjson.Fragment(schema.schema_json or "{}")
    for name in ("strict", "description"):
        if schema.HasField(name):
            yield name, getattr(schema, name)


def _tools(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    tools = functions(settings)
    if not tools:
        return  # Servers refuse a choice among no tools.
    yield "tools", [{"type": "function", "function": dict(_function(tool))} for tool in tools]
    choice = settings.tool_choice
    if choice.HasField("function"):
        yield "tool_choice", {"type": "function", "function": {"name": choice.function.name}}
    elif settings.HasField("tool_choice"):
        yield "tool_choice", CHOICES[choice.mode]
    if settings.HasField("parallel_tool_calls"):
        yield "parallel_tool_calls", settings.parallel_tool_calls


def _function(tool: FunctionTool) -> Iterator[tuple[str, Any]]:
    yield "name", tool.name
    yield "parameters", orjson.Fragment(tool.parameters_json or NO_ARGUMENTS)
    for name in ("description", "strict"):
        if tool.HasField(name):
            yield name, getattr(tool, name)
