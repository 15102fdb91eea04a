"""Cuts a text into the passages that searches find. Pure.

Sizes are counted in words and marks: what a model's own tokens are, nobody here knows. A long word counts as several.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from typing import Final

_PIECE: Final = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]|\w{1,16}|[^\w\s]")
_LINES: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(r"[^\S\n]+")
_MARGINS: Final = re.compile(r" ?\n ?")


def passages(text: str, *, most: int, overlap: int) -> Iterator[str]:
    """Passages of at most `most` pieces, each of which begins with the last `overlap` of the one before."""
    starts = array("q", (piece.start() for piece in _PIECE.finditer(text)))
    first = 0
    while first < len(starts):
        last = first + most
        end = starts[last] if last < len(starts) else len(text)
        yield text[starts[first] : end].strip()
        if last >= len(starts):
            return
        first = last - overlap


def tidy(text: str) -> str:
    """The text with its words as they are, and no more space between them than says something."""
    lines = _SPACES.sub(" ", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\0", " ")))
    return _LINES.sub("\n\n", _MARGINS.sub("\n", lines)).strip()
