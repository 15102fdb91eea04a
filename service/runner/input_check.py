"""What a request may put in: items that are whole, and that the model can read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nodexa.v1.item_pb2 import ContentPart, Item, Message

from service.errors import NodexaError
from service.ids import ASSISTANT_ID, NewId

_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    "opaque": "item",
}


def check_assistant_id(assistant_id: str) -> None:
    """Raises NodexaError `missing_required_field` or `invalid_model`."""
    if not assistant_id:
        raise NodexaError("missing_required_field", "Name the assistant to answer: asst_…", param="model")
    if not ASSISTANT_ID.fullmatch(assistant_id):
        message = "The model must be an assistant's id, asst_ and a UUID; `nodexa assistants list` shows them."
        raise NodexaError("invalid_model", message, param="model")


def check_items(items: Sequence[Item]) -> None:
    """Raises NodexaError for the first item that isn't whole, or `missing_required_field` where there is none."""
    if not items:
        raise NodexaError("missing_required_field", "Give at least one input item.", param="input")
    ids: set[str] = set()
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]")
        if item.id and item.id in ids:
            raise NodexaError("invalid_request", "Two input items have the same id.", param=f"input[{index}].id")
        ids.add(item.id)


def with_ids(items: Iterable[Item], new_id: NewId) -> Iterator[Item]:
    """The items, each with an id; those that have one keep it."""
    for item in items:
        if not item.id:
            item.id = new_id(_PREFIXES[str(item.WhichOneof("kind"))])
        yield item


def check_readable(items: Sequence[Item], *, images: bool, model: str) -> Iterator[str]:
    """The paths of items that the model isn't shown. Raises NodexaError for content that it can't read."""
    for index, item in enumerate(items):
        if item.HasField("opaque"):
            yield f"input[{index}]"
        for place, part in enumerate(_parts(item)):
            path = f"input[{index}].content[{place}]"
            if part.HasField("opaque"):
                raise _unreadable(f"Content of type {part.opaque.type!r}", model, path)
            if part.HasField("input_image") and not images:
                raise _unreadable("An image", model, path)


def _check_item(item: Item, path: str) -> None:
    kind = item.WhichOneof("kind")
    if kind is None:
        raise NodexaError("invalid_input_type", "An input item needs a kind.", param=path)
    if kind == "message" and item.message.role not in Message.Role.values()[1:]:
        raise NodexaError(
            "invalid_input_type", "A message's role is user, assistant, system or developer.", param=f"{path}.role"
        )
    if kind == "message" and not item.message.content:
        raise NodexaError("missing_required_field", "A message needs content.", param=f"{path}.content")
    if kind in ("function_call", "function_call_output") and not getattr(item, kind).call_id:
        raise NodexaError("missing_call_id", "Say which function call this is: call_id.", param=f"{path}.call_id")
    if kind == "function_call" and not item.function_call.name:
        raise NodexaError("missing_required_field", "A function call needs a name.", param=f"{path}.name")
    if kind == "function_call_output" and item.function_call_output.WhichOneof("output") is None:
        raise NodexaError("missing_required_field", "A function call's output is missing.", param=f"{path}.output")


def _parts(item: Item) -> Sequence[ContentPart]:
    if item.HasField("function_call_output"):
        return item.function_call_output.parts.parts
    return item.message.content


def _unreadable(what: str, model: str, path: str) -> NodexaError:
    return NodexaError("input_not_supported_for_model", f"{what} can't be read by the model {model!r}.", param=path)
