"""Fields of serialized messages, put together from bytes where making each message as an object takes longer. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from nodexa.v1.item_pb2 import Item, ItemList


class _Varints(dict[int, bytes]):
    """Whole numbers as protobuf writes them: the small ones are at hand, the others are made."""

    def __missing__(self, number: int) -> bytes:
        return _varint(number)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


VARINT: Final = _Varints((number, _varint(number)) for number in range(2048))
"""The bytes of a number from 0 on: a size stands so before what it is of."""


# A number in a name of ours: each look at a constant of a message's class costs as much as a call.
_ITEMS: Final = ItemList.ITEMS_FIELD_NUMBER


def tag(number: int) -> bytes:
    """How field `number` begins where it has bytes, before their size."""
    return VARINT[number << 3 | 2]


def member(number: int, message: bytes) -> bytes:
    """A serialized message as field `number` of another: behind or before that one's bytes, it is part of it."""
    return VARINT[number << 3 | 2] + VARINT[len(message)] + message


def serialized(items: Iterable[Item]) -> bytes:
    """The items as a serialized ItemList, none of them copied."""
    return b"".join([member(_ITEMS, item.SerializeToString()) for item in items])


def set_moment(field: Timestamp, moment: int) -> None:
    """Sets it to `moment`, in milliseconds since 1970. The class's own way checks what a clock can't say."""
    field.seconds, field.nanos = moment // 1000, moment % 1000 * 1_000_000
