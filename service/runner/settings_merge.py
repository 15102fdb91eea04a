"""A request's settings laid over its assistant's. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import Tool

from service.model.model import PASSED_ON, Abilities
from service.runner.settings_check import INCLUDED
from service.tools.file_search import NAME as FILE_SEARCH
from service.tools.file_search import unheeded

DEFAULTABLE: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "max_output_tokens",
        "max_tool_calls",
        "stop",
        "seed",
        "text",
        "reasoning",
    }
)
"""The fields of ResponseSettings that an assistant may preset."""


def effective_settings(assistant: Assistant, asked: ResponseSettings) -> ResponseSettings:
    """What the response runs with: each field from the request where it is set, else from the assistant.

    A tool choice of the assistant goes with its tools: a request with tools of its own starts from auto.
    """
    settings = ResponseSettings()
    settings.CopyFrom(assistant.defaults)
    if asked.HasField("tools"):
        settings.ClearField("tool_choice")
    for descriptor, _ in asked.ListFields():
        settings.ClearField(descriptor.name)  # type: ignore[arg-type]
    settings.MergeFrom(asked)
    settings.own_tools = not asked.HasField("tools") and any(tool.HasField("opaque") for tool in settings.tools.tools)
    return settings


def system_prompt(assistant: Assistant, asked: ResponseSettings) -> str:
    """The assistant's prompt with the request's words after it, or in its place where the assistant says so."""
    if not asked.instructions:
        return assistant.instructions
    if assistant.instructions_mode == Assistant.INSTRUCTIONS_MODE_REPLACE or not assistant.instructions:
        return asked.instructions
    return f"{assistant.instructions}\n\n{asked.instructions}"


def unused_settings(settings: ResponseSettings, abilities: Abilities, runs: Callable[[Tool], bool]) -> Iterator[str]:
    """The paths of what was set and has no effect. `runs` says whether the platform runs a tool."""
    told = {descriptor.name for descriptor, _ in settings.ListFields()}
    unheeded = [path for path in PASSED_ON - abilities.heeds if path.partition(".")[0] in told]
    yield from (path for path in sorted(unheeded) if _is_set(settings, path))
    if abilities.hosted:
        return
    yield from _unused_tools(settings.tools.tools, "tools", runs)
    for index, allowed in enumerate(settings.tool_choice.allowed_tools.tools):
        if allowed.HasField("opaque") and not runs(Tool(opaque=allowed.opaque)):
            yield f"tool_choice.tools[{index}]"
    for index, word in enumerate(settings.include):
        if word not in INCLUDED:
            yield f"include[{index}]"


def _is_set(settings: ResponseSettings, path: str) -> bool:
    """Whether something is asked for that isn't what happens anyway."""
    outer, _, name = path.rpartition(".")
    within = getattr(settings, outer) if outer else settings
    if path == "parallel_tool_calls":
        return settings.parallel_tool_calls
    if path == "service_tier":
        return settings.service_tier not in ("", "auto", "default")
    return name in (descriptor.name for descriptor, _ in within.ListFields())


def _unused_tools(tools: Sequence[Tool], path: str, runs: Callable[[Tool], bool]) -> Iterator[str]:
    for index, tool in enumerate(tools):
        if tool.HasField("opaque") and not runs(tool):
            yield f"{path}[{index}]"
        elif tool.opaque.type == FILE_SEARCH:
            yield from (f"{path}[{index}].{name}" for name in unheeded(json.loads(tool.opaque.json)))
        if tool.custom.HasField("grammar"):
            yield f"{path}[{index}].format"
        yield from _unused_tools(tool.namespace.tools, f"{path}[{index}].tools", runs)
