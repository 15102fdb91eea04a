"""Ids as they stand on the wire: a kind, an underscore, a time-ordered UUID."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Final

NewId = Callable[[str], str]
"""`new_id("resp")` → `resp_0190…`; passed in, so that tests can count instead."""

ASSISTANT_ID: Final = re.compile(r"asst_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def new_id(prefix: str) -> str:
    """A fresh id whose order is the order of making, to the millisecond (UUID version 7, RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(_chance())
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{prefix}_{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _chance() -> bytes:
    """Ten random bytes. Asking the system for each id's own lets another thread in between, and waits for it."""
    try:
        return _chances.pop()
    except IndexError:
        block = os.urandom(10 * 256)
        _chances.extend(block[start : start + 10] for start in range(0, len(block), 10))
        return _chances.pop()


_chances: Final[list[bytes]] = []
os.register_at_fork(after_in_child=_chances.clear)
