"""Tools both ways. The oneof's member name is the `type` word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import CustomTool, FunctionTool, Grammar, NamespaceTool, Tool, ToolSet

from rest_bridge.wire import content, json, shape

_FUNCTION: Final = ("type", "name", "description", "parameters", "strict")
_CUSTOM: Final = ("type", "name", "description", "format")
_NAMESPACE: Final = ("type", "name", "description", "tools")


def parse_tools(value: object, ignored: list[str]) -> ToolSet:
    """The tools of a request. Adds to `ignored` the paths of those that nobody runs.

    Raises errors.RequestError(invalid_request) that names the field at fault.
    """
    if not isinstance(value, list):
        raise _wrong("tools", "must be a list")
    return ToolSet(tools=[_parse_tool(tool, f"tools[{index}]", ignored) for index, tool in enumerate(value)])


def render_tools(tools: ToolSet) -> list[dict[str, Any]]:
    """The tools as on the wire."""
    return [_render_tool(tool) for tool in tools.tools]


def _parse_tool(value: object, path: str, ignored: list[str]) -> Tool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not value["type"]:
        raise _wrong(path, "must be an object with a type word")
    parse = PARSERS.get(value["type"])
    if parse is not None:
        return parse(value, path, ignored)
    return Tool(opaque=Opaque(type=value["type"], json=json.dump(value).decode()))


def _parse_function(value: Mapping[str, Any], path: str, ignored: list[str]) -> Tool:
    if "function" in value and "name" not in value:
        raise _wrong(f"{path}.name", "is required beside type; the nested form of chat completions is not read")
    shape.note_unread(value, _FUNCTION, path, ignored)
    strict, parameters = value.get("strict"), value.get("parameters")
    name = _name(value, path)
    if strict is not None and not isinstance(strict, bool):
        raise _wrong(f"{path}.strict", "must be true or false")
    if parameters is not None and not isinstance(parameters, dict):
        raise _wrong(f"{path}.parameters", "must be a JSON Schema: an object")
    # Put together in its place: given to constructors, all of it would be copied at each level.
    tool = Tool()
    function = tool.function
    function.name = name
    if parameters is not None:
        function.parameters_json = json.dump(parameters).decode()
    if (description := _description(value, path)) is not None:
        function.description = description
    if strict is not None:
        function.strict = strict
    return tool


def _parse_custom(value: Mapping[str, Any], path: str, ignored: list[str]) -> Tool:
    shape.note_unread(value, _CUSTOM, path, ignored)
    grammar = _parse_format(value.get("format"), f"{path}.format", ignored)
    tool = CustomTool(name=_name(value, path), description=_description(value, path), grammar=grammar)
    return Tool(custom=tool)


def _parse_format(value: object, path: str, ignored: list[str]) -> Grammar | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") not in ("text", "grammar"):
        raise _wrong(path, "must be an object whose type is text or grammar")
    if value["type"] == "text":
        shape.note_unread(value, ("type",), path, ignored)
        return None
    shape.note_unread(value, ("type", "syntax", "definition"), path, ignored)
    for name in ("syntax", "definition"):
        if not isinstance(value.get(name), str):
            raise _wrong(f"{path}.{name}", "is required: a text")
    return Grammar(syntax=value["syntax"], definition=value["definition"])


def _parse_namespace(value: Mapping[str, Any], path: str, ignored: list[str]) -> Tool:
    shape.note_unread(value, _NAMESPACE, path, ignored)
    tools = value.get("tools")
    if not isinstance(tools, list):
        raise _wrong(f"{path}.tools", "must be a list of functions and custom tools")
    namespace = NamespaceTool(name=_name(value, path), description=_description(value, path) or "")
    namespace.tools.extend(_parse_tool(tool, f"{path}.tools[{index}]", ignored) for index, tool in enumerate(tools))
    return Tool(namespace=namespace)


def _name(value: Mapping[str, Any], path: str) -> str:
    name = value.get("name")
    if not isinstance(name, str):
        raise _wrong(f"{path}.name", f"is required: the {value['type']}'s name")
    return name


def _description(value: Mapping[str, Any], path: str) -> str | None:
    description = value.get("description")
    if description is not None and not isinstance(description, str):
        raise _wrong(f"{path}.description", "must be a text")
    return description


def _render_function(function: FunctionTool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": function.name,
        "description": function.description if function.HasField("description") else None,
        "parameters": json.parse_stored(function.parameters_json),
        "strict": function.strict if function.HasField("strict") else None,
    }


def _render_custom(tool: CustomTool) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "custom", "name": tool.name}
    if tool.HasField("description"):
        shown["description"] = tool.description
    grammar = {"type": "grammar", "syntax": tool.grammar.syntax, "definition": tool.grammar.definition}
    return shown | {"format": grammar if tool.HasField("grammar") else {"type": "text"}}


def _render_namespace(namespace: NamespaceTool) -> dict[str, Any]:
    return {
        "type": "namespace",
        "name": namespace.name,
        "description": namespace.description,
        "tools": [_render_tool(tool) for tool in namespace.tools],
    }


def _render_tool(tool: Tool) -> dict[str, Any]:
    kind = str(tool.WhichOneof("kind"))
    return RENDERERS[kind](getattr(tool, kind))


def _wrong(path: str, complaint: str) -> Exception:
    return shape.wrong(path, complaint, code="invalid_request")


PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str, list[str]], Tool]]] = MappingProxyType(
    {"function": _parse_function, "custom": _parse_custom, "namespace": _parse_namespace}
)
"""How each kind of tool is read; any other type word makes it opaque."""

RENDERERS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        "function": _render_function,
        "custom": _render_custom,
        "namespace": _render_namespace,
        "opaque": content.render_opaque,
    }
)
"""How each kind of tool is shown."""
