"""The tools of every kind as the functions that a model is shown, and a prompt in which there are only functions; pure.

A custom tool is a function whose one argument is its text. A tool of a namespace has a name that begins with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nodexa.v1.item_pb2 import CustomToolCall, FunctionCall, Item
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import AllowedTools, CustomTool, FunctionChoice, FunctionTool, NamespaceTool, Tool, ToolChoice

from service.model.custom_input import ARGUMENT
from service.model.model import Prompt

MAX_NAME: Final = 64
"""What model servers take as the name of a function."""
_ONE_TEXT: Final = json.dumps(
    {
        "type": "object",
        "properties": {ARGUMENT: {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": [ARGUMENT],
        "additionalProperties": False,
    }
)


# Not frozen, though nobody changes it: each request makes one of each of its tools.
@dataclass(slots=True)
class Offer:
    """A tool as a model is shown it; `name` and `namespace` are what its caller knows it by."""

    shown: FunctionTool
    name: str
    namespace: str = ""
    custom: bool = False


def offers(settings: ResponseSettings) -> list[Offer]:
    """The tools that may be called, as far as `tool_choice` allows."""
    found = [offer for tool in settings.tools.tools for offer in offers_of(tool)]
    if not settings.tool_choice.HasField("allowed_tools"):
        return found
    return [offer for offer in found if _allowed(offer, settings.tool_choice.allowed_tools)]


def offers_of(tool: Tool, namespace: NamespaceTool | None = None) -> Iterator[Offer]:
    """What a model is shown of one tool; nothing of those that nobody runs."""
    kind = tool.WhichOneof("kind")
    if kind == "namespace":
        for inner in tool.namespace.tools:
            yield from offers_of(inner, tool.namespace)
    elif kind == "function":
        shown = tool.function if namespace is None else _within(namespace, tool.function)
        yield Offer(shown, tool.function.name, namespace.name if namespace else "")
    elif kind == "custom":
        function = _as_function(tool.custom)
        shown = function if namespace is None else _within(namespace, function)
        yield Offer(shown, tool.custom.name, namespace.name if namespace else "", custom=True)


def shown_name(namespace: str, name: str) -> str:
    """The name under which a model knows a tool; one that would be too long ends in a digest of the whole."""
    whole = f"{namespace}__{name}" if namespace else name
    if not namespace or len(whole) <= MAX_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: MAX_NAME - len(digest) - 1]}_{digest}"


def wanted_name(choice: ToolChoice) -> str:
    """The name that a model knows the one tool by that must be called; empty where none is named."""
    kind = choice.WhichOneof("kind")
    if kind not in ("function", "custom"):
        return ""
    named = choice.function if kind == "function" else choice.custom
    return shown_name(named.namespace, named.name)


def mode_of(choice: ToolChoice) -> ToolChoice.Mode.ValueType:
    """The choice in general, among the allowed tools where only some are."""
    return choice.allowed_tools.mode if choice.HasField("allowed_tools") else choice.mode


def as_functions(prompt: Prompt) -> Prompt:
    """The prompt for a model that knows functions and nothing else; the same one where there is nothing else in it."""
    settings, items = functions_only(prompt.settings), plain_items(prompt.items)
    if settings is prompt.settings and items is prompt.items:
        return prompt
    return replace(prompt, items=items, settings=settings)


def functions_only(settings: ResponseSettings) -> ResponseSettings:
    """The settings with every tool as the function that it is shown as; the same ones where all of them are."""
    if all(map(_is_known, settings.tools.tools)) and settings.tool_choice.WhichOneof("kind") in _KNOWN:
        return settings
    told = ResponseSettings()
    told.CopyFrom(settings)
    told.tools.ClearField("tools")
    told.tools.tools.extend(Tool(function=offer.shown) for offer in offers(settings))
    if wanted := wanted_name(settings.tool_choice):
        told.tool_choice.CopyFrom(ToolChoice(function=FunctionChoice(name=wanted)))
    elif settings.tool_choice.HasField("allowed_tools"):
        told.tool_choice.CopyFrom(ToolChoice(mode=mode_of(settings.tool_choice)))
    return told


def plain_items(items: Sequence[Item]) -> Sequence[Item]:
    """The items with every call as one of a function; the same ones where all of them are."""
    return items if all(map(_is_plain, items)) else list(map(_plain, items))


_KNOWN: Final = (None, "mode", "function")


def _is_known(tool: Tool) -> bool:
    return tool.WhichOneof("kind") in ("function", "opaque")


def _is_plain(item: Item) -> bool:
    if item.HasField("message"):  # By far the most.
        return True
    kind = item.WhichOneof("kind")
    if kind == "function_call":
        return not item.function_call.namespace
    return kind not in ("custom_tool_call", "custom_tool_call_output")


def _plain(item: Item) -> Item:
    kind = item.WhichOneof("kind")
    if kind == "custom_tool_call":
        return Item(id=item.id, function_call=_call(item.custom_tool_call))
    if kind == "custom_tool_call_output":
        return Item(id=item.id, function_call_output=item.custom_tool_call_output)
    if kind == "function_call" and item.function_call.namespace:
        call = item.function_call
        name = shown_name(call.namespace, call.name)
        return Item(id=item.id, function_call=FunctionCall(call_id=call.call_id, name=name, arguments=call.arguments))
    return item


def _call(call: CustomToolCall) -> FunctionCall:
    arguments = json.dumps({ARGUMENT: call.input}, ensure_ascii=False)
    return FunctionCall(call_id=call.call_id, name=shown_name(call.namespace, call.name), arguments=arguments)


def _as_function(tool: CustomTool) -> FunctionTool:
    words = [tool.description]
    if tool.HasField("grammar"):
        words.append(f"The input must follow this {tool.grammar.syntax} grammar:\n{tool.grammar.definition}")
    return FunctionTool(name=tool.name, description=_told(words), parameters_json=_ONE_TEXT)


def _within(namespace: NamespaceTool, function: FunctionTool) -> FunctionTool:
    shown = FunctionTool()
    shown.CopyFrom(function)
    shown.name = shown_name(namespace.name, function.name)
    if told := _told([namespace.description, function.description]):
        shown.description = told
    return shown


def _told(words: Iterable[str]) -> str | None:
    return "\n\n".join(filter(None, words)) or None


def _allowed(offer: Offer, allowed: AllowedTools) -> bool:
    kind = "custom" if offer.custom else "function"
    for tool in allowed.tools:
        if tool.HasField("namespace") and tool.namespace.name == offer.namespace != "":
            return True
        if tool.WhichOneof("kind") == kind:
            named = tool.custom if offer.custom else tool.function
            if (named.namespace, named.name) == (offer.namespace, offer.name):
                return True
    return False
