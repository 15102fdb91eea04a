"""Ids as they stand on the wire: a kind, an underscore, a time-ordered UUID."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Final

NewId = Callable[[str], str]
"""`new_id("resp")` → `resp_0190…`; passed in, so that tests can count instead."""

ASSISTANT_ID: Final = re.compile(r"asst_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def new_id(prefix: str) -> str:
    """A fresh id whose order is the order of making, to the millisecond (UUID version 7, RFC 9562)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{prefix}_{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
