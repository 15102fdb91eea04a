"""The text for a custom tool out of the function arguments that a model writes, as it comes; pure."""

from __future__ import annotations

import json
import re
from typing import Final

ARGUMENT: Final = "input"
"""The one argument of the function that stands for a custom tool."""
_HEAD: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_LONGEST_HEAD: Final = 64
"""How many pieces the beginning may come in; one that takes more is read at the end."""
_LONGEST_ESCAPE: Final = len(r"\ud83d\ude00")
# Whole characters only: half an escape, and the first half of a surrogate pair, wait for the rest.
_WHOLE: Final = re.compile(
    r'(?:[^"\\]'
    r'|\\["\\/bfnrt]'
    r"|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"
)


class CustomInput:
    """Decodes the arguments of one call. What `feed` and `rest` return, one after the other, is the text."""

    def __init__(self) -> None:
        self._held: list[str] = []
        self._begun = False
        self._over = False

    def feed(self, piece: str) -> str:
        """The text that is certain by now; empty until the arguments have begun as they should."""
        if self._over or not piece:
            return ""
        self._held.append(piece)
        if not self._begun and not self._begin():
            return ""
        text = "".join(self._held)
        found = _WHOLE.match(text)
        end = found.end() if found else 0
        self._over = text[end : end + 1] == '"' or len(text) - end >= _LONGEST_ESCAPE
        self._held = [text[end:]]
        return _decoded(text[:end])

    def rest(self) -> str:
        """What arguments hold that began in another way, for example with another member; empty where none could be."""
        if self._begun:
            return ""
        return parse_input("".join(self._held)) or ""

    def _begin(self) -> bool:
        # By then it began in another way, and joining all pieces for each new one would take for ever.
        if len(self._held) > _LONGEST_HEAD:
            return False
        head = _HEAD.match("".join(self._held))
        if head is None:
            return False
        self._held = ["".join(self._held)[head.end() :]]
        self._begun = True
        return True


def parse_input(arguments: str) -> str | None:
    """The text in whole arguments; None where there is none. Line breaks that were not escaped are let pass."""
    try:
        value = json.loads(arguments, strict=False)
        text = value.get(ARGUMENT) if isinstance(value, dict) else None
        if isinstance(text, str):
            text.encode()
            return text
    except (ValueError, RecursionError):
        pass
    return None


def _decoded(text: str) -> str:
    decoded: str = json.loads(f'"{text}"', strict=False)
    return decoded
