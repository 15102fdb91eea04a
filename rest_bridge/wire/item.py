"""Items both ways. The oneof's member name is the `type` word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import (
    Compaction,
    ContentPart,
    Item,
    ItemReference,
    Message,
    Opaque,
    Reasoning,
)

from rest_bridge.wire import call, content, json, shape
from rest_bridge.wire.dialect import NODEXA_ITEMS, Dialect

ROLES: Final[Mapping[str, Message.Role.ValueType]] = MappingProxyType(
    {
        "user": Message.ROLE_USER,
        "assistant": Message.ROLE_ASSISTANT,
        "system": Message.ROLE_SYSTEM,
        "developer": Message.ROLE_DEVELOPER,
    }
)
STATUSES: Final[Mapping[str, Item.Status.ValueType]] = MappingProxyType(
    {
        "in_progress": Item.STATUS_IN_PROGRESS,
        "completed": Item.STATUS_COMPLETED,
        "incomplete": Item.STATUS_INCOMPLETE,
    }
)
_ROLE_WORDS: Final = {number: word for word, number in ROLES.items()}
# What a client sent is whole, whether it says so or not.
_STATUS_WORDS: Final = {Item.STATUS_UNSPECIFIED: "completed"} | {number: word for word, number in STATUSES.items()}


def parse_input(value: object, ignored: list[str]) -> list[Item]:
    """The items of `input`: a text is one message of the user. Adds to `ignored` the paths of what is not acted upon.

    Raises errors.RequestError: invalid_input_type, missing_call_id.
    """
    if isinstance(value, str):
        return [_said(value, "user")]
    if not isinstance(value, list):
        raise shape.wrong("input", "must be a text or a list of items")
    return _parse_items(value, "input", ignored)


def say(item: Item, text: str, role: str = "user") -> None:
    """Makes a new item a message of one text."""
    # Put together in its place: given to constructors, all of it would be copied at each level.
    message = item.message
    message.role = ROLES[role]
    part = message.content.add()
    (part.output_text if role == "assistant" else part.input_text).text = text


def parse_items(name: str, value: object, ignored: list[str]) -> list[Item]:
    """The items of a field that is a list of them. Adds to `ignored` and raises as `parse_input` does."""
    if not isinstance(value, list):
        raise shape.wrong(name, "must be a list of items")
    return _parse_items(value, name, ignored)


def render_items(items: Iterable[Item], dialect: Dialect = Dialect.OPENAI) -> list[dict[str, Any]]:
    """The items as on the wire, without those that the dialect doesn't know."""
    return [render_item(item) for item in items if knows_item(dialect, item)]


def said_in(shown: Iterable[Mapping[str, Any]]) -> str:
    """All that the model said in items as `render_items` shows them, as one text."""
    # To ask the messages again takes as long as to have shown them.
    messages = [item["content"] for item in shown if item.get("type") == "message"]
    return "".join([part["text"] for content in messages for part in content if part.get("type") == "output_text"])


def knows_item(dialect: Dialect, item: Item) -> bool:
    """Whether clients of the dialect know items of its type."""
    return dialect is Dialect.NODEXA or not item.HasField("opaque") or item.opaque.type not in NODEXA_ITEMS


def render_item(item: Item) -> dict[str, Any]:
    """One item as on the wire."""
    kind = str(item.WhichOneof("kind"))
    if kind == "opaque":
        opaque = content.render_opaque(item.opaque)
        return {**opaque, "id": item.id} if item.id else opaque
    if kind == "item_reference":
        return {"type": kind, "id": item.id}
    if kind == "compaction":
        return {"type": kind, "id": item.id, "encrypted_content": item.compaction.encrypted_content}
    head = {"id": item.id, "type": kind, "status": _STATUS_WORDS[item.status]}
    return head | RENDERERS[kind](getattr(item, kind))


def _parse_items(values: list[object], name: str, ignored: list[str]) -> list[Item]:
    return [_parse_item(item, f"{name}[{index}]", ignored) for index, item in enumerate(values)]


def _parse_item(value: object, path: str, ignored: list[str]) -> Item:
    if not isinstance(value, dict):
        raise shape.wrong(path, "must be an object")
    word = value.get("type")
    if word is None:  # the short forms of a message and of a reference
        word = "message" if "role" in value else "item_reference" if value.keys() == {"id"} else None
    if not isinstance(word, str) or not word:
        raise shape.wrong(path, "needs a role (a message) or a type word")
    parse = PARSERS.get(word)
    if parse is None:
        item = Item(opaque=Opaque(type=word, json=json.dump(value).decode()))
    else:
        item = parse(value, path, ignored)
        item.status = _status(value, path)
    if identity := shape.optional_text(value, "id", path):
        item.id = identity
    return item


def _status(value: Mapping[str, Any], path: str) -> Item.Status.ValueType:
    word = value.get("status")
    if word is None:
        return Item.STATUS_UNSPECIFIED
    if not isinstance(word, str) or word not in STATUSES:
        raise shape.wrong(f"{path}.status", f"must be one of {', '.join(STATUSES)}")
    return STATUSES[word]


def _message(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    shape.note_unread(value, ("id", "type", "status", "role", "content", "phase"), path, ignored)
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise shape.wrong(f"{path}.role", f"must be one of {', '.join(ROLES)}")
    said = value.get("content")
    if said is None:
        raise shape.wrong(f"{path}.content", "is required: a text or a list of content parts")
    if isinstance(said, str):
        item = _said(said, role)
    else:
        parts = content.parse_parts(said, f"{path}.content", ignored)
        item = Item(message=Message(role=ROLES[role], content=parts))
    if (phase := shape.optional_text(value, "phase", path)) is not None:
        item.message.phase = phase
    return item


def _said(text: str, role: str) -> Item:
    item = Item()
    say(item, text, role)
    return item


def _reference(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    shape.note_unread(value, ("id", "type"), path, ignored)
    return Item(id=shape.text(value, "id", path), item_reference=ItemReference())


def _reasoning(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    shape.note_unread(value, ("id", "type", "status", "summary", "content", "encrypted_content"), path, ignored)
    return Item(
        reasoning=Reasoning(
            summary=_optional_parts(value, "summary", path, ignored),
            content=_optional_parts(value, "content", path, ignored),
            encrypted_content=shape.optional_text(value, "encrypted_content", path),
        )
    )


def _optional_parts(value: Mapping[str, Any], name: str, path: str, ignored: list[str]) -> list[ContentPart]:
    given = value.get(name)
    return [] if given is None else content.parse_parts(given, f"{path}.{name}", ignored)


def _compaction(value: Mapping[str, Any], path: str, ignored: list[str]) -> Item:
    shape.note_unread(value, ("id", "type", "encrypted_content"), path, ignored)
    return Item(compaction=Compaction(encrypted_content=shape.text(value, "encrypted_content", path)))


def _render_message(message: Message) -> dict[str, Any]:
    shown = {"role": _ROLE_WORDS.get(message.role, "user"), "content": content.render_parts(message.content)}
    return shown | {"phase": message.phase} if message.HasField("phase") else shown


def _render_reasoning(reasoning: Reasoning) -> dict[str, Any]:
    shown: dict[str, Any] = {"summary": content.render_parts(reasoning.summary)}
    if reasoning.content:
        shown["content"] = content.render_parts(reasoning.content)
    if reasoning.HasField("encrypted_content"):
        shown["encrypted_content"] = reasoning.encrypted_content
    return shown


PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str, list[str]], Item]]] = MappingProxyType(
    {
        "message": _message,
        "function_call": call.parse_function_call,
        "function_call_output": call.parse_function_call_output,
        "custom_tool_call": call.parse_custom_call,
        "custom_tool_call_output": call.parse_custom_call_output,
        "reasoning": _reasoning,
        "item_reference": _reference,
        "compaction": _compaction,
    }
)
"""How each kind of item is read; any other type word makes it opaque."""

RENDERERS: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        "message": _render_message,
        "function_call": call.render_function_call,
        "function_call_output": call.render_output,
        "custom_tool_call": call.render_custom_call,
        "custom_tool_call_output": call.render_output,
        "reasoning": _render_reasoning,
    }
)
"""How each kind of item is shown, its head apart; references and opaque ones are shown as they came."""
