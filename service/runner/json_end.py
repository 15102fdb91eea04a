"""Tells where JSON text that comes in pieces is whole, without reading any of it twice. Pure."""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1}


class JsonEnd:
    """Reads one object or array. `whole` once all its brackets are closed; whether it's valid is not looked at."""

    def __init__(self) -> None:
        self.whole = False
        self._depth = 0
        self._in_text = False
        self._escaped = False

    def feed(self, piece: str) -> None:
        """Reads on."""
        if not piece:
            return
        start, self._escaped = int(self._escaped), False
        for found in _MARKS.finditer(piece, start):
            mark = found.group()
            if mark[0] == "\\":
                # What an escape stands for may be in the next piece.
                self._escaped = len(mark) == 1
            elif mark == '"':
                self._in_text = not self._in_text
            elif not self._in_text:
                self._depth += _STEPS[mark]
                self.whole = self.whole or self._depth == 0
