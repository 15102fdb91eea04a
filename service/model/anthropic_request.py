"""A prompt → the body of a request to Anthropic's Messages API; pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from nodexa.v1.response_pb2 import ResponseSettings, TextFormat
from nodexa.v1.tool_pb2 import FunctionTool, ToolChoice

from service.model.anthropic_messages import THINKING, conversation
from service.model.anthropic_parts import Block, text_block
from service.model.anthropic_schema import narrowed
from service.model.chat_request import functions
from service.model.model import Prompt
from service.model.offers import as_functions

Body = dict[str, Any]

HEEDS: Final = frozenset(
    {
        "stop",
        "parallel_tool_calls",
        "reasoning.effort",
        "reasoning.summary",
        "user",
        "safety_identifier",
        "service_tier",
    }
)
"""The settings that have an effect. The API has no log probabilities and no seed, and since its version of October 2026
it refuses temperature and top_p."""

MAX_TOKENS: Final = 32_000
"""What the answer may have where nobody says it, thinking included: the API demands a number, and every model of the
fourth generation and later takes this one."""

MAX_USER_ID: Final = 256
MAX_STRICT: Final = 20
"""How many tools of one request may be strict; with more of them none is."""

COUNTED: Final = frozenset({"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"})
CACHED: Final = {"cache_control": {"type": "ephemeral"}}
NO_ARGUMENTS: Final = {"type": "object", "properties": {}}
EFFORTS: Final = {"minimal": "low"}
MIN_BUDGET: Final = 1024
BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576}
# They think within a budget that the caller sets; later ones decide by themselves, and know an effort.
BUDGETED: Final = re.compile(r"claude-(?:3-7-sonnet|(?:opus|sonnet|haiku)-4(?:-[015])?)(?:-\d{8}|-latest)?(?:$|[@:])")
CHOICES: Mapping[int, str] = {
    ToolChoice.MODE_UNSPECIFIED: "auto",
    ToolChoice.MODE_AUTO: "auto",
    ToolChoice.MODE_NONE: "none",
    ToolChoice.MODE_REQUIRED: "any",
}
TIERS: Final = {"auto": "auto", "priority": "auto"}
JSON_ONLY: Final = "Answer with one JSON object and nothing else: no words before or behind it, no code fence."
SCHEMA_ONLY: Final = "Answer with JSON that obeys this schema and nothing else, without a code fence:\n{schema}"


def message_body(prompt: Prompt, *, model: str) -> Body:
    """Returns the request; `model` is Anthropic's id of it. Raises NodexaError for input that it can't be told."""
    prompt = as_functions(prompt)
    settings = prompt.settings
    told = conversation(prompt.instructions, prompt.items)
    told.system.extend(text_block(_form_in_words(settings.text.format)))
    tools = [_tool(tool, strict=strict) for tool, strict in _with_strictness(functions(settings))]
    choice = _choice(settings)
    if not tools and (tools := _called(told.messages)):
        choice = {"type": "none"}
    limit = settings.max_output_tokens if settings.HasField("max_output_tokens") else MAX_TOKENS
    body: Body = {"model": model, "max_tokens": limit, "messages": told.messages}
    if told.system:
        body["system"] = told.system
    if tools:
        body |= {"tools": tools, "tool_choice": choice}
    body.update(_thinking(settings, body))
    body.update(_rest(settings, model))
    _mark(body)
    return body


def count_body(prompt: Prompt, *, model: str) -> Body:
    """Returns the request that counts the tokens of a prompt."""
    return {key: value for key, value in message_body(prompt, model=model).items() if key in COUNTED}


def _rest(settings: ResponseSettings, model: str) -> Iterator[tuple[str, Any]]:
    if settings.stop:
        yield "stop_sequences", list(settings.stop)
    if output := dict(_output(settings, model)):
        yield "output_config", output
    if user := settings.safety_identifier or settings.user:
        # A longer one is refused; its digest tells users apart as well.
        known = user if len(user) <= MAX_USER_ID else hashlib.sha256(user.encode()).hexdigest()
        yield "metadata", {"user_id": known}
    if settings.HasField("service_tier"):
        yield "service_tier", TIERS.get(settings.service_tier, "standard_only")


def _output(settings: ResponseSettings, model: str) -> Iterator[tuple[str, Any]]:
    effort = settings.reasoning.effort
    if effort not in ("", "none") and not BUDGETED.search(model):
        yield "effort", EFFORTS.get(effort, effort)
    if (schema := _form(settings.text.format)) is not None:
        yield "format", {"type": "json_schema", "schema": schema}


def _form(form: TextFormat) -> Body | None:
    """Returns the schema that the answer is held to; None where it's held to none."""
    return narrowed(form.json_schema.schema_json or "{}") if form.HasField("json_schema") else None


def _form_in_words(form: TextFormat) -> str:
    """Returns what the model must be told of the form because it can't be held to it."""
    if form.HasField("json_object"):
        return JSON_ONLY
    if form.HasField("json_schema") and _form(form) is None:
        return SCHEMA_ONLY.format(schema=form.json_schema.schema_json)
    return ""


def _with_strictness(tools: Sequence[FunctionTool]) -> Iterator[tuple[FunctionTool, bool]]:
    few = sum(tool.strict for tool in tools) <= MAX_STRICT
    return ((tool, few and tool.strict) for tool in tools)


def _tool(tool: FunctionTool, *, strict: bool) -> Body:
    schema = narrowed(tool.parameters_json) if strict and tool.parameters_json else None
    given = orjson.loads(tool.parameters_json) if tool.parameters_json else NO_ARGUMENTS
    return {
        "name": tool.name,
        **({"description": tool.description} if tool.description else {}),
        # A tool's schema must say that it's an object, also where it has no properties.
        "input_schema": schema or {"type": "object", **given},
        **({"strict": True} if schema else {}),
    }


def _called(messages: Sequence[Body]) -> list[Body]:
    """Returns a tool for each name that was called: calls in a conversation without tools are refused."""
    said = (block for message in messages for block in message["content"])
    names = dict.fromkeys(block["name"] for block in said if block["type"] == "tool_use")
    return [{"name": name, "input_schema": NO_ARGUMENTS} for name in names]


def _choice(settings: ResponseSettings) -> Body:
    choice = settings.tool_choice
    told: Body = {"type": CHOICES[choice.mode]}
    if choice.HasField("function"):
        told = {"type": "tool", "name": choice.function.name}
    if settings.HasField("parallel_tool_calls") and not settings.parallel_tool_calls and told["type"] != "none":
        told["disable_parallel_tool_use"] = True
    return told


def _thinking(settings: ResponseSettings, body: Body) -> Iterator[tuple[str, Any]]:
    """Yields how the model thinks; nothing leaves it to the model. The API refuses to think where a call is forced."""
    effort = settings.reasoning.effort
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if BUDGETED.search(body["model"]):
        budget = min(BUDGETS.get(effort, 0), body["max_tokens"] // 2)
        if budget >= MIN_BUDGET and not forced and _may_think(body["messages"]):
            yield "thinking", {"type": "enabled", "budget_tokens": budget}
    elif effort == "none":
        yield "thinking", {"type": "disabled"}
    elif (effort or settings.reasoning.summary) and not forced:
        yield "thinking", {"type": "adaptive", "display": "summarized"}


def _may_think(messages: Sequence[Body]) -> bool:
    """Whether a model with a budget may think: not in a loop of calls that began without its thinking."""
    if messages[-1]["content"][0]["type"] != "tool_result" or len(messages) < 2:
        return True
    return messages[-2]["content"][0]["type"] in THINKING


def _mark(body: Body) -> None:
    """Marks where the prompt can be cached: behind tools and system prompt, and behind the history."""
    stable: list[Block] = body.get("system") or body.get("tools") or []
    for block in (*stable[-1:], body["messages"][-1]["content"][-1]):
        block.update(CACHED)
