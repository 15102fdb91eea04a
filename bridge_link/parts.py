"""What is said of a call, part by part, and how each part is put into bytes. No I/O.

A bridge says OPEN, then CREDIT for what it has read, and CANCEL where it hangs up. A core says HEAD where there is
something to say before the first message, MESSAGE for each, and END. HELLO, PING and PONG are of no call.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

FORM: Final = 3
"""The version of all this. What another one says is not understood: such a bridge makes plain gRPC calls."""
HELLO: Final = 0
PING: Final = 1
PONG: Final = 2
OPEN: Final = 3
CREDIT: Final = 4
CANCEL: Final = 5
HEAD: Final = 6
MESSAGE: Final = 7
END: Final = 8

FRAME: Final = struct.Struct("<IQB")
"""Before each part: how many bytes it has, the number of its call (of HELLO: the form), its kind."""

Pairs = Iterable[tuple[str, str | bytes]]
"""Metadata; a name that ends with `-bin` has bytes."""
Say = Callable[[int, int, bytes], None]
"""Takes a part: call, kind, bytes."""

_LENGTH: Final = struct.Struct("<I")


def opening(method: str, metadata: Iterable[tuple[str, str]], request: bytes) -> bytes:
    """An OPEN: the method (`/nodexa.v1.ResponseService/CreateResponse`), texts of metadata, a serialized request."""
    head = orjson.dumps((method, [*metadata]))
    return _LENGTH.pack(len(head)) + head + request


def read_opening(data: bytes) -> tuple[str, tuple[tuple[str, str], ...], bytes]:
    """The method, the metadata and the request of an OPEN. Raises ValueError."""
    size = credit_in(data[:4])
    try:
        method, metadata = orjson.loads(data[4 : 4 + size])
        return method, tuple([(name, value) for name, value in metadata]), data[4 + size :]
    except TypeError as error:
        raise ValueError("an opening was expected") from error


def head(metadata: Pairs) -> bytes:
    """A HEAD: initial metadata."""
    return orjson.dumps(_texts(metadata))


def read_head(data: bytes) -> tuple[tuple[str, str | bytes], ...]:
    """The metadata of a HEAD. Raises ValueError."""
    try:
        return _pairs(orjson.loads(data))
    except (AttributeError, TypeError) as error:
        raise ValueError("metadata was expected") from error


def end(status: int, message: str, metadata: Pairs = ()) -> bytes:
    """An END: the number of a gRPC status (0 is good), its message, and trailing metadata."""
    try:
        return orjson.dumps((status, message, metadata))
    except TypeError:  # Bytes, which are seldom.
        return orjson.dumps((status, message, _texts(metadata)))


def read_end(data: bytes) -> tuple[int, str, tuple[tuple[str, str | bytes], ...]]:
    """Status, message and metadata of an END. Raises ValueError."""
    try:
        status, message, metadata = orjson.loads(data)
        return int(status), message, _pairs(metadata)
    except (AttributeError, TypeError) as error:
        raise ValueError("an end was expected") from error


def credit(size: int) -> bytes:
    """A CREDIT: so many bytes of messages were read, and as many more may be sent."""
    return _LENGTH.pack(size)


def credit_in(data: bytes) -> int:
    """The bytes of a CREDIT. Raises ValueError."""
    try:
        (size,) = _LENGTH.unpack(data)
    except struct.error as error:
        raise ValueError("four bytes were expected") from error
    return int(size)


def _texts(metadata: Pairs) -> list[tuple[str, str]]:
    return [(name, value if isinstance(value, str) else value.decode("latin-1")) for name, value in metadata]


def _pairs(texts: Iterable[Any]) -> tuple[tuple[str, str | bytes], ...]:
    return tuple([(name, value.encode("latin-1") if name.endswith("-bin") else value) for name, value in texts])
