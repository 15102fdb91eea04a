"""A JSON file with the `tools` of the Responses API, read into the contract's ToolSet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import CustomTool, FunctionTool, Grammar, NamespaceTool, Tool, ToolSet

_TYPES: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "name": (str, "a string"),
    "description": ((str, type(None)), "a string"),
    "parameters": ((dict, type(None)), "a JSON Schema object"),
    "strict": ((bool, type(None)), "true or false"),
    "format": ((dict, type(None)), "an object"),
    "tools": (list, "an array of tools"),
}
_FUNCTION: Final = ("name", "description", "parameters", "strict")
_CUSTOM: Final = ("name", "description", "format")
_NAMESPACE: Final = ("name", "description", "tools")


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
    return ToolSet(tools=[_tool(path, f"[{index}]", tool) for index, tool in enumerate(content)])


def _tool(path: Path, place: str, tool: Any) -> Tool:
    if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
        raise _wrong(path, f"{place} must be an object with a type")
    read = _READERS.get(tool["type"])
    if read is None:
        return Tool(opaque=Opaque(type=tool["type"], json=json.dumps(tool, ensure_ascii=False)))
    return read(path, place, tool)


def _function(path: Path, place: str, tool: dict[str, Any]) -> Tool:
    if "function" in tool:
        raise _wrong(path, f"{place} has the form of Chat Completions: put name and parameters beside type")
    _expect(path, place, tool, _FUNCTION)
    parameters = tool.get("parameters")
    return Tool(
        function=FunctionTool(
            name=tool["name"],
            description=tool.get("description"),
            parameters_json="" if parameters is None else json.dumps(parameters, ensure_ascii=False),
            strict=tool.get("strict"),
        )
    )


def _custom(path: Path, place: str, tool: dict[str, Any]) -> Tool:
    _expect(path, place, tool, _CUSTOM)
    form = tool.get("format") or {"type": "text"}
    grammar = None
    if form.get("type") == "grammar":
        if not all(isinstance(form.get(name), str) for name in ("syntax", "definition")):
            raise _wrong(path, f"{place}.format must have a syntax and a definition")
        grammar = Grammar(syntax=form["syntax"], definition=form["definition"])
    elif form.get("type") != "text":
        raise _wrong(path, f"{place}.format.type must be text or grammar")
    return Tool(custom=CustomTool(name=tool["name"], description=tool.get("description"), grammar=grammar))


def _namespace(path: Path, place: str, tool: dict[str, Any]) -> Tool:
    _expect(path, place, tool, _NAMESPACE)
    tools = [_tool(path, f"{place}.tools[{index}]", inner) for index, inner in enumerate(tool.get("tools", ()))]
    return Tool(namespace=NamespaceTool(name=tool["name"], description=tool.get("description") or "", tools=tools))


def _expect(path: Path, place: str, tool: dict[str, Any], fields: Sequence[str]) -> None:
    if unknown := sorted(tool.keys() - set(fields) - {"type"}):
        raise _wrong(path, f"{place} has the unknown field {unknown[0]!r}")
    for name in fields:
        types, wanted = _TYPES[name]
        if not isinstance(tool.get(name), types) and (name in tool or name == "name"):
            raise _wrong(path, f"{place}.{name} must be {wanted}")


def _wrong(path: Path, reason: str) -> click.BadParameter:
    return click.BadParameter(f"{path}: {reason}", param_hint="--tools")


_READERS: Final[Mapping[str, Callable[[Path, str, dict[str, Any]], Tool]]] = MappingProxyType(
    {"function": _function, "custom": _custom, "namespace": _namespace}
)
"""How each kind of tool is read; any other is kept as it is."""
