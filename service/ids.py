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
    moment = f"{time.time_ns() // 1_000_000:012x}"
    return f"{prefix}_{moment[:8]}-{moment[8:]}-{_chance()}"


def _chance() -> str:
    """The random end of a UUID. Asking the system for each one's own lets another thread in between, and waits."""
    try:
        return _chances.pop()
    except IndexError:
        chance = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
        _chances.extend(_end(chance[at : at + _DIGITS]) for at in range(0, len(chance), _DIGITS))
        return _chances.pop()


def _end(chance: str) -> str:
    return f"7{chance[:3]}-{_VARIANTS[chance[3]]}{chance[4:7]}-{chance[7:]}"


_AT_ONCE: Final = 256
_DIGITS: Final = 19
"""Of chance in each; two bits of one of them say which variant of UUID it is."""
_VARIANTS: Final = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}
_chances: Final[list[str]] = []
os.register_at_fork(after_in_child=_chances.clear)
