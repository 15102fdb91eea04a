"""Which tools a request may offer, and which choice among them. Pure; every refusal names the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import AllowedTool, NamespaceTool, Tool, ToolChoice

from service.errors import NodexaError
from service.model.offers import offers, offers_of
from service.runner.schema import schema_problem
from service.tools import web_search

MAX_TOOLS: Final = 128
SYNTAXES: Final = ("lark", "regex")
NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAMED: Final = ("function", "custom", "namespace")


def check_tools(settings: ResponseSettings) -> None:
    """Raises NodexaError for the first tool that can't be."""
    tools = settings.tools.tools
    count = sum(len(tool.namespace.tools) if tool.HasField("namespace") else 1 for tool in tools)
    if count > MAX_TOOLS:
        raise NodexaError("too_many_tools", f"At most {MAX_TOOLS} tools; these are {count}.", param="tools")
    names: set[str] = set()
    for path, tool, namespace in _each(tools):
        _check_tool(tool, path)
        if tool.HasField("namespace"):
            continue
        for offer in offers_of(tool, namespace):
            if offer.shown.name in names:
                message = f"Two tools are named {offer.shown.name!r}."
                raise NodexaError("duplicate_tool_name", message, param=f"{path}.name")
            names.add(offer.shown.name)


def check_choice(settings: ResponseSettings) -> None:
    """Raises NodexaError for a choice that the tools don't allow."""
    choice = settings.tool_choice
    kind = choice.WhichOneof("kind")
    known = {(offer.custom, offer.namespace, offer.name) for tool in settings.tools.tools for offer in offers_of(tool)}
    if kind in ("function", "custom"):
        named = choice.function if kind == "function" else choice.custom
        if (kind == "custom", named.namespace, named.name) not in known:
            raise _unknown(named.name, "tool_choice")
    if kind == "allowed_tools":
        _check_allowed(settings, known)
    elif kind == "opaque":
        _check_opaque(choice.opaque, "tool_choice")
    elif choice.mode == ToolChoice.MODE_REQUIRED and not (known or _has_hosted(settings)):
        raise _nothing_to_call()


def check_hosted(settings: ResponseSettings, *, model: str, runs: Callable[[Tool], bool]) -> None:
    """Raises NodexaError for a choice that only a model could follow whose server runs tools; `model` is none.

    `runs` says whether the platform runs a tool.
    """
    choice = settings.tool_choice
    for_the_model = choice.HasField("opaque") and not runs(Tool(opaque=choice.opaque))
    if any(map(runs, settings.tools.tools)) and not for_the_model:
        return
    if choice.HasField("opaque"):
        raise NodexaError(
            "tool_not_supported_for_model",
            f"The model {model!r} has no tool of type {choice.opaque.type[:64]!r} that could be called: name a "
            "function in tool_choice, or use another assistant.",
            param="tool_choice",
        )
    if choice.HasField("allowed_tools") and choice.allowed_tools.mode == ToolChoice.MODE_REQUIRED:
        if not offers(settings):
            raise _nothing_allowed()
    elif choice.mode == ToolChoice.MODE_REQUIRED and not offers(settings):
        raise _nothing_to_call()


def check_searches(tools: Iterable[Tool], *, model: str, runs: Callable[[Tool], bool], path: str = "tools") -> None:
    """Raises NodexaError for a web search that nobody does; `model` is none whose server runs tools."""
    for index, tool in enumerate(tools):
        if tool.opaque.type in web_search.TYPES and not runs(tool):
            raise NodexaError(
                "tool_not_supported_for_model",
                f"The model {model!r} does not search the web, and no search service is set up here: leave the tool "
                "out, or ask the operator for one.",
                param=f"{path}[{index}]",
            )


def _each(tools: Sequence[Tool]) -> Iterator[tuple[str, Tool, NamespaceTool | None]]:
    for index, tool in enumerate(tools):
        yield f"tools[{index}]", tool, None
        for place, inner in enumerate(tool.namespace.tools):
            yield f"tools[{index}].tools[{place}]", inner, tool.namespace
            if inner.HasField("namespace"):
                raise _invalid("A namespace can't stand in another one.", f"tools[{index}].tools[{place}]")


def _check_tool(tool: Tool, path: str) -> None:
    kind = tool.WhichOneof("kind")
    if kind is None:
        raise _invalid("A tool needs a kind.", path)
    if kind == "opaque":
        _check_opaque(tool.opaque, path)
    if kind in _NAMED and not NAME.fullmatch(getattr(tool, kind).name):
        raise NodexaError(
            "invalid_tool_name", "A tool's name has 1 to 64 characters of a-z A-Z 0-9 _ -.", param=f"{path}.name"
        )
    if tool.custom.HasField("grammar") and tool.custom.grammar.syntax not in SYNTAXES:
        raise _invalid(f"A grammar's syntax is one of {', '.join(SYNTAXES)}.", f"{path}.format.syntax")
    problem = schema_problem(tool.function.parameters_json) if tool.function.parameters_json else ""
    if problem:
        message = f"The schema of {tool.function.name!r} {problem}."
        raise NodexaError("invalid_tool_schema", message, param=f"{path}.parameters")


def _check_allowed(settings: ResponseSettings, known: set[tuple[bool, str, str]]) -> None:
    allowed = settings.tool_choice.allowed_tools
    if allowed.mode not in (ToolChoice.MODE_AUTO, ToolChoice.MODE_REQUIRED):
        raise _invalid("The mode of allowed_tools is auto or required.", "tool_choice.mode")
    if not allowed.tools:
        raise _invalid("allowed_tools names at least one tool; for none, tool_choice is none.", "tool_choice.tools")
    for index, tool in enumerate(allowed.tools):
        if tool.HasField("opaque"):
            _check_opaque(tool.opaque, f"tool_choice.tools[{index}]")
        if not _is_among(tool, known):
            raise _unknown(_name(tool), f"tool_choice.tools[{index}]")
    hosted = any(tool.HasField("opaque") for tool in allowed.tools)
    if allowed.mode == ToolChoice.MODE_REQUIRED and not (hosted or offers(settings)):
        raise _nothing_allowed()


def _check_opaque(opaque: Opaque, path: str) -> None:
    """It is handed on as it came, so it must be what it says."""
    try:
        value = json.loads(opaque.json)
    except (ValueError, RecursionError):
        value = None
    if not opaque.type or not isinstance(value, dict) or value.get("type") != opaque.type:
        raise _invalid("A tool of another kind is a JSON object with its type word.", path)


def _has_hosted(settings: ResponseSettings) -> bool:
    return any(tool.HasField("opaque") for tool in settings.tools.tools)


def _is_among(tool: AllowedTool, known: set[tuple[bool, str, str]]) -> bool:
    kind = tool.WhichOneof("kind")
    if kind == "opaque":
        return True
    if kind == "namespace":
        return any(namespace == tool.namespace.name != "" for _, namespace, _ in known)
    named = tool.custom if kind == "custom" else tool.function
    return (kind == "custom", named.namespace, named.name) in known


def _name(tool: AllowedTool) -> str:
    return str(getattr(tool, tool.WhichOneof("kind") or "function").name)


def _unknown(name: str, path: str) -> NodexaError:
    return _invalid(f"tool_choice names {name!r}, which is not among the tools.", path)


def _nothing_to_call() -> NodexaError:
    return _invalid("tool_choice is required, and there is no function to call.", "tool_choice")


def _nothing_allowed() -> NodexaError:
    return _invalid("tool_choice requires a call, and allows no tool that can be called.", "tool_choice.tools")


def _invalid(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)
