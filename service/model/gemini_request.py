"""A prompt → what the Gemini SDK is asked: contents and configuration as plain dictionaries; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from nodexa.v1.response_pb2 import ReasoningSettings, ResponseSettings
from nodexa.v1.tool_pb2 import FunctionTool, ToolChoice

from service.errors import NodexaError
from service.model.gemini_contents import Content, contents_of
from service.model.model import Prompt
from service.model.offers import as_functions

LOGPROBS: Final = "message.output_text.logprobs"
MAX_SEED: Final = 2**31 - 1
MODES: Final[Mapping[int, str]] = {
    ToolChoice.MODE_UNSPECIFIED: "AUTO",
    ToolChoice.MODE_AUTO: "AUTO",
    ToolChoice.MODE_NONE: "NONE",
    ToolChoice.MODE_REQUIRED: "ANY",
}
LEVELS: Final[Mapping[str, str]] = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "XHIGH",
}
BUDGETS: Final[Mapping[str, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
}
"""Tokens for older models, as Google's own chat-completions door sets them."""
_OLDER: Final = ("gemini-1.", "gemini-2.", "gemini-robotics-er-1.")
"""How the names begin of models that know no levels, and calls without a signature."""
TIERS: Final[Mapping[str, str]] = {"auto": "", "default": "standard", "flex": "flex", "priority": "priority"}


@dataclass(frozen=True, slots=True)
class GeminiRequest:
    """The arguments of the SDK's `generate_content`."""

    model: str
    contents: list[Content]
    config: dict[str, Any]
    streaming: bool


def gemini_request(prompt: Prompt, *, model: str) -> GeminiRequest:
    """Returns the request; `model` is Google's id of it. Raises NodexaError where the API has no form for something."""
    prompt = as_functions(prompt)
    settings = prompt.settings
    system, contents = contents_of(prompt.instructions, prompt.items, must_sign=not _is_older(model))
    # The SDK would run Python functions by itself; it is never given any.
    config: dict[str, Any] = {"automatic_function_calling": {"disable": True}}
    if system:
        config["system_instruction"] = system
    config.update(_sampling(settings))
    config.update(_form(settings))
    config.update(_thinking(settings.reasoning, model=model))
    config.update(_tools(settings))
    config.update(_tier(settings))
    return GeminiRequest(model, contents, config, prompt.streaming)


def _sampling(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    for name in ("temperature", "top_p", "max_output_tokens"):
        if settings.HasField(name):
            yield name, getattr(settings, name)
    if settings.HasField("seed"):
        # Google's is a number of 32 bits; the same seed stays the same.
        yield "seed", settings.seed & MAX_SEED
    if settings.stop:
        yield "stop_sequences", list(settings.stop)
    if LOGPROBS in settings.include:
        yield "response_logprobs", True
        if settings.top_logprobs:
            yield "logprobs", settings.top_logprobs


def _form(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    kind = settings.text.format.WhichOneof("kind")
    if kind in ("json_object", "json_schema"):
        yield "response_mime_type", "application/json"
    if kind == "json_schema":
        yield "response_json_schema", orjson.loads(settings.text.format.json_schema.schema_json or "{}")


def _thinking(reasoning: ReasoningSettings, *, model: str) -> Iterator[tuple[str, Any]]:
    thinking: dict[str, Any] = {}
    if reasoning.HasField("effort"):
        thinking |= _effort(reasoning.effort, model=model)
    if reasoning.HasField("summary"):
        thinking["include_thoughts"] = True
    if thinking:
        yield "thinking_config", thinking


def _effort(effort: str, *, model: str) -> dict[str, Any]:
    if effort == "none" or _is_older(model):
        return {"thinking_budget": BUDGETS[effort]} if effort in BUDGETS else {}
    return {"thinking_level": LEVELS[effort]} if effort in LEVELS else {}


def _is_older(model: str) -> bool:
    return model.rpartition("/")[2].startswith(_OLDER)


def _tools(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    functions = [tool.function for tool in settings.tools.tools if tool.HasField("function")]
    if not functions:
        return  # The API refuses a choice among no tools.
    yield "tools", [{"function_declarations": [dict(_function(function)) for function in functions]}]
    choice = settings.tool_choice
    if choice.HasField("function"):
        calling = {"mode": "ANY", "allowed_function_names": [choice.function.name]}
        yield "tool_config", {"function_calling_config": calling}
    elif settings.HasField("tool_choice"):
        yield "tool_config", {"function_calling_config": {"mode": MODES[choice.mode]}}


def _function(function: FunctionTool) -> Iterator[tuple[str, Any]]:
    yield "name", function.name
    if function.description:
        yield "description", function.description
    if function.parameters_json:
        yield "parameters_json_schema", orjson.loads(function.parameters_json)


def _tier(settings: ResponseSettings) -> Iterator[tuple[str, Any]]:
    if not settings.HasField("service_tier"):
        return
    if settings.service_tier not in TIERS:
        message = f"Gemini has no such tier; it has {', '.join(TIERS)}."
        raise NodexaError("unsupported_parameter", message, param="service_tier")
    if tier := TIERS[settings.service_tier]:
        yield "service_tier", tier
