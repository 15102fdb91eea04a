"""Messages of the contract as JSON documents and as words for people. Pure."""

from __future__ import annotations

import base64
from datetime import UTC
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# Made visible, so that no name and no answer of a model can steer the terminal.
_CONTROLS: Final = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    **dict.fromkeys(range(127, 160), "�"),
}


def document(message: Message) -> dict[str, Any]:
    """The fields of a message by their names, enums as wire words.

    What was never set is left out where its absence means something by itself, and null where a message would stand.
    """
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields if _is_shown(message, field)}


def word(enum: EnumDescriptor, number: int) -> str:
    """The wire word of an enum value: SCOPE_FULL_ACCESS is `full_access`."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(_prefix(enum)).lower() if value else str(number)


def number(enum: EnumDescriptor, wire_word: str) -> int:
    """The number of the enum value with that wire word. Raises KeyError."""
    return enum.values_by_name[_prefix(enum) + wire_word.upper()].number


def words(enum: EnumDescriptor) -> list[str]:
    """All wire words of an enum, the unspecified one aside."""
    return [word(enum, value.number) for value in enum.values if value.number]


def time_of(timestamp: Timestamp) -> str:
    """A time in UTC as people read it; empty for one that was never set."""
    return timestamp.ToDatetime(UTC).strftime("%Y-%m-%d %H:%M:%S") if timestamp.ByteSize() else ""


def printable(text: str) -> str:
    """The text with its control characters made visible."""
    return text.translate(_CONTROLS)


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def _is_shown(message: Message, field: Any) -> bool:
    if not field.has_presence or message.HasField(field.name):
        return True
    return field.containing_oneof is None


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {str(key): _value(field.message_type.fields_by_name["value"], value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_value(field, entry) for entry in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Message):
        return document(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return word(field.enum_type, value) if field.enum_type is not None else value
