"""Gemini's signatures of thoughts: how one is kept in a reasoning item until its part goes back to Gemini; pure.

Gemini signs parts of its answer, calls of functions above all, and wants every signature back on the part that it came
with. What is kept is `gemini:`, the place, `:` and the signature in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Literal

Place = Literal["call", "text", "empty", "thought"]
"""The function call behind the item, the start of the text behind it, a part without content, the thinking itself."""

_KEPT: Final = re.compile(r"gemini:(call|text|empty|thought)(\d{0,9}):([A-Za-z0-9+/]+={0,2})")
_PLACES: Final[dict[str, Place]] = {"call": "call", "text": "text", "empty": "empty", "thought": "thought"}


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature and the part that it belongs to; `length` are the characters of a signed text."""

    place: Place
    data: bytes
    length: int = 0

    def keep(self) -> str:
        """The text for `Reasoning.encrypted_content`."""
        length = self.length or ""
        return f"gemini:{self.place}{length}:{base64.b64encode(self.data).decode()}"


def kept(encrypted_content: str) -> Signature | None:
    """The signature in what a reasoning item holds; None where another kind of model wrote it, or nobody."""
    found = _KEPT.fullmatch(encrypted_content)
    if found is None:
        return None
    try:
        data = base64.b64decode(found[3], validate=True)
    except binascii.Error:
        return None
    return Signature(_PLACES[found[1]], data, int(found[2] or 0))
