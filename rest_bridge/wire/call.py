"""Calls of functions and custom tools, and their outputs, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nodexa.v1.item_pb2 import ContentPartList, CustomToolCall, FunctionCall, FunctionCallOutput, Item

from rest_bridge.wire import content, shape

_CALL: Final = ("id", "type", "status", "call_id", "name", "namespace")
_OUTPUT: Final = ("id", "type", "status", "call_id", "output")


def parse_function_call(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    """A `function_call` item."""
    shape.note_unread(value, (*_CALL, "arguments"), path, ignored)
    return Item(
        function_call=FunctionCall(
            call_id=_call_id(value, path),
            name=shape.text(value, "name", path),
            arguments=shape.text(value, "arguments", path),
            namespace=shape.optional_text(value, "namespace", path) or "",
        )
    )


def parse_custom_call(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    """A `custom_tool_call` item."""
    shape.note_unread(value, (*_CALL, "input"), path, ignored)
    return Item(
        custom_tool_call=CustomToolCall(
            call_id=_call_id(value, path),
            name=shape.text(value, "name", path),
            input=shape.text(value, "input", path),
            namespace=shape.optional_text(value, "namespace", path) or "",
        )
    )


def parse_function_call_output(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    """A `function_call_output` item."""
    return Item(function_call_output=_output(value, path, ignored))


def parse_custom_call_output(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    """A `custom_tool_call_output` item."""
    return Item(custom_tool_call_output=_output(value, path, ignored))


def render_function_call(call: FunctionCall) -> dict[str, Any]:
    """A function call, its head apart."""
    shown = {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    return shown | _namespace(call)


def render_custom_call(call: CustomToolCall) -> dict[str, Any]:
    """A custom tool's call, its head apart."""
    shown = {"call_id": call.call_id, "name": call.name, "input": call.input}
    return shown | _namespace(call)


def render_output(output: FunctionCallOutput) -> dict[str, Any]:
    """The output of either, its head apart."""
    parts = output.WhichOneof("output") == "parts"
    return {"call_id": output.call_id, "output": content.render_parts(output.parts.parts) if parts else output.text}


def _namespace(call: FunctionCall | CustomToolCall) -> dict[str, Any]:
    return {"namespace": call.namespace} if call.namespace else {}


def _output(value: Mapping[str, Any], path: str, ignored: list[str]) -> FunctionCallOutput:
    shape.note_unread(value, _OUTPUT, path, ignored)
    output = FunctionCallOutput(call_id=_call_id(value, path))
    result = value.get("output")
    if isinstance(result, str):
        output.text = result
    elif isinstance(result, list):
        output.parts.CopyFrom(ContentPartList(parts=content.parse_parts(result, f"{path}.output", ignored)))
    else:
        raise shape.wrong(
            f"{path}.output", "must be a text (JSON as text, where it is JSON) or a list of content parts"
        )
    return output


def _call_id(value: Mapping[str, Any], path: str) -> str:
    call_id = value.get("call_id")
    if not call_id:
        raise shape.wrong(f"{path}.call_id", "is required: it says which call this is about", code="missing_call_id")
    return shape.text(value, "call_id", path)
