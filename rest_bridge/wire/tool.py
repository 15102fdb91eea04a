"""Tools and the choice among them, both ways. The oneof's member name is the `type` word."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import FunctionChoice, FunctionTool, Tool, ToolChoice, ToolSet

from rest_bridge.wire import content, json, shape

MODES: Final[Mapping[str, ToolChoice.Mode.ValueType]] = MappingProxyType(
    {
        "auto": ToolChoice.MODE_AUTO,
        "none": ToolChoice.MODE_NONE,
        "required": ToolChoice.MODE_REQUIRED,
    }
)
_MODE_WORDS: Final = {ToolChoice.MODE_UNSPECIFIED: "auto"} | {number: word for word, number in MODES.items()}
_FUNCTION: Final = ("type", "name", "description", "parameters", "strict")


def parse_tools(value: object, ignored: list[str]) -> ToolSet:
    """The tools of a request. Adds to `ignored` the paths of those that nobody runs.

    Raises errors.RequestError(invalid_request) that names the field at fault.
    """
    if not isinstance(value, list):
        raise _wrong("tools", "must be a list")
    return ToolSet(tools=[_parse_tool(tool, f"tools[{index}]", ignored) for index, tool in enumerate(value)])


def parse_choice(value: object, ignored: list[str]) -> ToolChoice:
    """`tool_choice`. Raises errors.RequestError: invalid_request, unsupported_parameter."""
    if isinstance(value, str):
        if value not in MODES:
            raise _wrong("tool_choice", "must be auto, none, required or a function: {type: function, name: …}")
        return ToolChoice(mode=MODES[value])
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise _wrong("tool_choice", "must be a word or an object with a type")
    if value["type"] != "function":
        raise shape.wrong(
            "tool_choice",
            "names a kind of choice that is not supported here; to allow only some tools, send only those in tools",
            code="unsupported_parameter",
        )
    shape.note_unread(value, ("type", "name"), "tool_choice", ignored)
    if not isinstance(value.get("name"), str):
        raise _wrong("tool_choice.name", "is required: the function's name")
    return ToolChoice(function=FunctionChoice(name=value["name"]))


def render_tools(tools: ToolSet) -> list[dict[str, Any]]:
    """The tools as on the wire."""
    return [_render_tool(tool) for tool in tools.tools]


def render_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """The choice as on the wire."""
    if choice.HasField("function"):
        return {"type": "function", "name": choice.function.name}
    return _MODE_WORDS.get(choice.mode, "auto")


def _parse_tool(value: object, path: str, ignored: list[str]) -> Tool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not value["type"]:
        raise _wrong(path, "must be an object with a type word")
    if value["type"] == "function":
        return Tool(function=_parse_function(value, path, ignored))
    ignored.append(path)
    return Tool(opaque=Opaque(type=value["type"], json=json.dump(value).decode()))


def _parse_function(value: Mapping[str, Any], path: str, ignored: list[str]) -> FunctionTool:
    if "function" in value and "name" not in value:
        raise _wrong(f"{path}.name", "is required beside type; the nested form of chat completions is not read")
    shape.note_unread(value, _FUNCTION, path, ignored)
    name, strict, parameters = value.get("name"), value.get("strict"), value.get("parameters")
    if not isinstance(name, str):
        raise _wrong(f"{path}.name", "is required: the function's name")
    if strict is not None and not isinstance(strict, bool):
        raise _wrong(f"{path}.strict", "must be true or false")
    if parameters is not None and not isinstance(parameters, dict):
        raise _wrong(f"{path}.parameters", "must be a JSON Schema: an object")
    description = value.get("description")
    if description is not None and not isinstance(description, str):
        raise _wrong(f"{path}.description", "must be a text")
    return FunctionTool(
        name=name,
        description=description,
        parameters_json="" if parameters is None else json.dump(parameters).decode(),
        strict=strict,
    )


def _render_tool(tool: Tool) -> dict[str, Any]:
    if tool.HasField("opaque"):
        return content.render_opaque(tool.opaque)
    function = tool.function
    return {
        "type": "function",
        "name": function.name,
        "description": function.description if function.HasField("description") else None,
        "parameters": json.parse_stored(function.parameters_json),
        "strict": function.strict if function.HasField("strict") else None,
    }


def _wrong(path: str, complaint: str) -> Exception:
    return shape.wrong(path, complaint, code="invalid_request")
