"""Ids as they stand on the wire: a kind, an underscore, a time-ordered UUID."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final

NewId = Callable[[str], str]
"""`new_id("resp")` → `resp_0190…`; passed in, so that tests can count instead."""

FILE_ID: Final = re.compile(r"file_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ASSISTANT_ID: Final = re.compile(r"asst_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def new_id(prefix: str) -> str:
    """A fresh id whose order is the order of making, to the millisecond (UUID version 7, RFC 9562)."""
    now = time.time_ns() // 1_000_000
    try:
        chance = _chances.pop()
    except IndexError:
        _chances.extend(_more())
        chance = _chances.pop()
    return f"{prefix}_{_moment.get(now) or _beginning(now)}{chance}"


def message_of(response_id: str) -> str:
    """The id of the first message in a response, which has its UUID: who knows the one knows the other."""
    return f"msg_{response_id.removeprefix('resp_')}"


def _beginning(now: int) -> str:
    """How the ids of one millisecond begin, kept for the next one: who is busy makes several in each."""
    digits = f"{now:012x}"
    _moment.clear()
    beginning = _moment[now] = f"{digits[:8]}-{digits[8:]}-"
    return beginning


def _more() -> list[str]:
    """Random ends of UUIDs. Asking the system for each one's own lets another thread in between, and waits."""
    chance = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
    variants = chance[3::_DIGITS].translate(_VARIANTS)
    return [f"7{a}-{variant}{b}-{c}" for (a, b, c), variant in zip(_PARTS.findall(chance), variants, strict=True)]


_AT_ONCE: Final = 256
_DIGITS: Final = 19
"""Of chance in each; two bits of one of them say which variant of UUID it is."""
_PARTS: Final = re.compile("(...).(...)(.{12})")
_VARIANTS: Final = {ord(f"{digit:x}"): f"{digit & 3 | 8:x}" for digit in range(16)}
_chances: Final[list[str]] = []
_moment: Final[dict[int, str]] = {}
os.register_at_fork(after_in_child=_chances.clear)
