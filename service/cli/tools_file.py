"""A JSON file with the `tools` of the Responses API, read into the contract's ToolSet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import FunctionTool, Tool, ToolSet

_TYPES: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "name": (str, "a string"),
    "description": ((str, type(None)), "a string"),
    "parameters": ((dict, type(None)), "a JSON Schema object"),
    "strict": ((bool, type(None)), "true or false"),
}


def read_tools(path: Path) -> ToolSet:
    """The tools of a file. Raises BadParameter with the place at fault."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, f"it can't be read ({type(error).__name__})") from None
    except json.JSONDecodeError as error:
        raise _wrong(path, f"it is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(content, list):
        raise _wrong(path, 'it must hold an array of tools: [{"type": "function", "name": …, "parameters": {…}}]')
    return ToolSet(tools=[_tool(path, index, tool) for index, tool in enumerate(content)])


def _tool(path: Path, index: int, tool: Any) -> Tool:
    if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
        raise _wrong(path, f"[{index}] must be an object with a type")
    if tool["type"] != "function":
        return Tool(opaque=Opaque(type=tool["type"], json=json.dumps(tool, ensure_ascii=False)))
    return Tool(function=_function(path, index, tool))


def _function(path: Path, index: int, tool: dict[str, Any]) -> FunctionTool:
    if "function" in tool:
        raise _wrong(path, f"[{index}] has the form of Chat Completions: put name and parameters beside type")
    if unknown := sorted(tool.keys() - _TYPES.keys() - {"type"}):
        raise _wrong(path, f"[{index}] has the unknown field {unknown[0]!r}")
    for name, (types, wanted) in _TYPES.items():
        if not isinstance(tool.get(name), types) and (name in tool or name == "name"):
            raise _wrong(path, f"[{index}].{name} must be {wanted}")
    parameters = tool.get("parameters")
    return FunctionTool(
        name=tool["name"],
        description=tool.get("description"),
        parameters_json="" if parameters is None else json.dumps(parameters, ensure_ascii=False),
        strict=tool.get("strict"),
    )


def _wrong(path: Path, reason: str) -> click.BadParameter:
    return click.BadParameter(f"{path}: {reason}", param_hint="--tools")
