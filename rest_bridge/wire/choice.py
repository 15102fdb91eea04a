"""The choice among the tools, both ways. The oneof's member name is the `type` word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import AllowedTool, AllowedTools, CustomChoice, FunctionChoice, NamespaceChoice, ToolChoice

from rest_bridge.wire import content, json, shape

MODES: Final[Mapping[str, ToolChoice.Mode.ValueType]] = MappingProxyType(
    {
        "auto": ToolChoice.MODE_AUTO,
        "none": ToolChoice.MODE_NONE,
        "required": ToolChoice.MODE_REQUIRED,
    }
)
_MODE_WORDS: Final = {ToolChoice.MODE_UNSPECIFIED: "auto"} | {number: word for word, number in MODES.items()}


def parse_choice(value: object, ignored: list[str]) -> ToolChoice:
    """`tool_choice`. Raises errors.RequestError(invalid_request)."""
    if isinstance(value, str):
        if value not in MODES:
            raise _wrong("tool_choice", "must be auto, none, required or an object: {type: function, name: …}")
        return ToolChoice(mode=MODES[value])
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not value["type"]:
        raise _wrong("tool_choice", "must be a word or an object with a type")
    parse = PARSERS.get(value["type"])
    if parse is None:
        return ToolChoice(opaque=Opaque(type=value["type"], json=json.dump(value).decode()))
    return parse(value, ignored)


def render_choice(choice: ToolChoice) -> str | dict[str, Any]:
    """The choice as on the wire."""
    kind = choice.WhichOneof("kind")
    if kind == "opaque":
        return content.render_opaque(choice.opaque)
    if kind in ("function", "custom"):
        return _render_named(choice, kind)
    if kind == "allowed_tools":
        allowed = choice.allowed_tools
        tools = [_render_allowed(tool) for tool in allowed.tools]
        return {"type": "allowed_tools", "mode": _MODE_WORDS.get(allowed.mode, "auto"), "tools": tools}
    return _MODE_WORDS.get(choice.mode, "auto")


def _function(value: Mapping[str, Any], ignored: list[str]) -> ToolChoice:
    return ToolChoice(function=FunctionChoice(**_named(value, "tool_choice", ignored)))


def _custom(value: Mapping[str, Any], ignored: list[str]) -> ToolChoice:
    return ToolChoice(custom=CustomChoice(**_named(value, "tool_choice", ignored)))


def _allowed_tools(value: Mapping[str, Any], ignored: list[str]) -> ToolChoice:
    shape.note_unread(value, ("type", "mode", "tools"), "tool_choice", ignored)
    mode, tools = value.get("mode"), value.get("tools")
    if mode not in ("auto", "required"):
        raise _wrong("tool_choice.mode", "must be auto or required")
    if not isinstance(tools, list):
        raise _wrong("tool_choice.tools", "must be a list")
    found = [_allowed(tool, f"tool_choice.tools[{index}]", ignored) for index, tool in enumerate(tools)]
    return ToolChoice(allowed_tools=AllowedTools(mode=MODES[mode], tools=found))


def _allowed(value: object, path: str, ignored: list[str]) -> AllowedTool:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str) or not value["type"]:
        raise _wrong(path, "must be an object with a type word")
    if value["type"] == "function":
        return AllowedTool(function=FunctionChoice(**_named(value, path, ignored)))
    if value["type"] == "custom":
        return AllowedTool(custom=CustomChoice(**_named(value, path, ignored)))
    if value["type"] == "namespace":
        return AllowedTool(namespace=NamespaceChoice(name=_named(value, path, ignored)["name"]))
    return AllowedTool(opaque=Opaque(type=value["type"], json=json.dump(value).decode()))


def _named(value: Mapping[str, Any], path: str, ignored: list[str]) -> dict[str, str]:
    """`name` and, where there is one, `namespace`. Whole definitions are read as their names: clients send both."""
    if not isinstance(value.get("name"), str):
        raise _wrong(f"{path}.name", f"is required: the {value['type']}'s name")
    if value.get("namespace") is not None and not isinstance(value["namespace"], str):
        raise _wrong(f"{path}.namespace", "must be a text")
    return {name: value[name] for name in ("name", "namespace") if value.get(name) is not None}


def _render_allowed(tool: AllowedTool) -> dict[str, Any]:
    kind = str(tool.WhichOneof("kind"))
    return content.render_opaque(tool.opaque) if kind == "opaque" else _render_named(tool, kind)


def _render_named(choice: ToolChoice | AllowedTool, kind: str) -> dict[str, Any]:
    named = getattr(choice, kind)
    shown = {"type": kind, "name": named.name}
    return shown | {"namespace": named.namespace} if kind != "namespace" and named.namespace else shown


def _wrong(path: str, complaint: str) -> Exception:
    return shape.wrong(path, complaint, code="invalid_request")


PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], list[str]], ToolChoice]]] = MappingProxyType(
    {"function": _function, "custom": _custom, "allowed_tools": _allowed_tools}
)
"""How each kind of choice is read; any other type word makes it opaque."""
