"""What calls of functions and of custom tools, and their outputs, have in common. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import CustomToolCall, FunctionCall, FunctionCallOutput, Item

from service.model.offers import Offer
from service.model.thread import Continued


@dataclass(frozen=True, slots=True)
class CallKind:
    """How a kind of call is told: its ids' prefix, the member that holds its text, and the event of more of it."""

    prefix: str
    text: str
    delta: str


CALL_KINDS: Final[Mapping[str, CallKind]] = MappingProxyType(
    {
        "function_call": CallKind("fc", "arguments", "function_call_arguments_delta"),
        "custom_tool_call": CallKind("ctc", "input", "custom_tool_call_input_delta"),
    }
)
_OUTPUT_KINDS: Final = ("function_call_output", "custom_tool_call_output")


def call_of(item: Item) -> FunctionCall | CustomToolCall | None:
    """The call that an item is; None for items of other kinds."""
    kind = str(item.WhichOneof("kind"))
    return getattr(item, kind) if kind in CALL_KINDS else None


def output_of(item: Item) -> FunctionCallOutput | None:
    """The output that an item is; None for items of other kinds."""
    kind = str(item.WhichOneof("kind"))
    return getattr(item, kind) if kind in _OUTPUT_KINDS else None


def answers(item: Item) -> str:
    """The id of the call that an item answers; empty for items of other kinds."""
    output = output_of(item)
    return output.call_id if output else ""


def call_ids(items: Sequence[Item]) -> list[str]:
    """The ids of the calls among the items."""
    known, new = (items.said.call_ids, items[items.said.length :]) if isinstance(items, Continued) else ([], items)
    return known + [call.call_id for item in new if not item.HasField("message") and (call := call_of(item))]


def begun_call(name: str, call_id: str, offer: Offer | None) -> Item:
    """A call as its caller sees it, of the tool that the model knows as `name`; its text and id are still missing."""
    if offer is None:
        return Item(function_call=FunctionCall(call_id=call_id, name=name))
    if offer.custom:
        return Item(custom_tool_call=CustomToolCall(call_id=call_id, name=offer.name, namespace=offer.namespace))
    return Item(function_call=FunctionCall(call_id=call_id, name=offer.name, namespace=offer.namespace))


def done_event(item: Item, index: int) -> dict[str, Any]:
    """The event that says the whole text of a call, as arguments of ResponseEvent."""
    place = {"item_id": item.id, "output_index": index}
    if item.HasField("custom_tool_call"):
        return {"custom_tool_call_input_done": {**place, "input": item.custom_tool_call.input}}
    call = item.function_call
    told = {"name": call.name, "call_id": call.call_id, "arguments": call.arguments}
    return {"function_call_arguments_done": {**place, **told}}
