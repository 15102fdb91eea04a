"""Heads that come again: those of one client differ in the length of the body only, and need no parser then. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from rest_bridge.headers import HEAD_KEY, Head

MOST_DIGITS: Final = 7
_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class KnownHead:
    """A head that was parsed. `scope` is the ASGI scope of each request that repeats it, but for what is its own."""

    __slots__ = ("_before", "_behind", "scope")

    def __init__(self, before: bytes, behind: bytes, scope: Mapping[str, Any]) -> None:
        self._before = before
        self._behind = behind
        self.scope = scope

    def body(self, data: bytes) -> bytes | None:
        """The body of a request that is this head, with whatever length, and all of its body. None for any other."""
        if not data.startswith(self._before):
            return None
        at = len(self._before)
        end = data.find(b"\r", at, at + MOST_DIGITS + 1)
        if end < 0 or not data.startswith(self._behind, end):
            return None
        length, body = data[at:end], data[end + len(self._behind) :]
        return body if length.isdigit() and int(length) == len(body) else None


def learn(data: bytes, scope: Mapping[str, Any]) -> KnownHead | None:
    """The head of `data`, which was parsed into `scope`. None where its end is not where its length says."""
    end = data.find(_END) + len(_END)
    lengths = [value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")]
    found = _LENGTH.search(data, 0, end)
    if found is None or lengths != [found[1]] or int(found[1]) != len(data) - end:
        return None
    # The length is no part of it: whoever gets this scope has the body.
    raw = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return KnownHead(data[: found.start(1)], data[found.end(1) : end], {**scope, "headers": raw, HEAD_KEY: Head(raw)})
