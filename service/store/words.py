"""How text is made findable: what stands in the index, and which words of a question are looked up there. Pure.

SQLite's tokenizer knows where words end by spaces and marks. Scripts that write without them are cut into characters:
an invisible space goes between, and comes out again when the text is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

MOST_TERMS: Final = 32
"""Words of one question that are looked up; those beyond are left out."""
_UNSPACED: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_BREAK: Final = "\u200b"
# Patterns in words: `re` keeps those that it compiled, and such large ones are not to be a part of every start.
_BETWEEN: Final = f"(?<=[{_UNSPACED}])(?=[{_UNSPACED}])"
_WORD: Final = f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+"
_UNSPACED_WORD: Final = f"[{_UNSPACED}]+"


def indexed(text: str) -> str:
    """The text as the index holds it."""
    return re.sub(_BETWEEN, _BREAK, unicodedata.normalize("NFC", text).replace(_BREAK, " ").replace("\0", " "))


def read_back(text: str) -> str:
    """The text as it is shown, from what the index holds."""
    return text.replace(_BREAK, "")


def terms(question: str) -> list[str]:
    """The words to look up, each once, at most MOST_TERMS. Any text is a question; one may have no words."""
    found: dict[str, None] = {}
    for word in re.findall(_WORD, unicodedata.normalize("NFC", question)[:10_000]):
        for part in _pairs(word) if re.fullmatch(_UNSPACED_WORD, word) else (word.casefold(),):
            found[part] = None
    return list(found)[:MOST_TERMS]


def any_of(words: Iterable[str]) -> str:
    """An FTS5 expression for passages with at least one of the words."""
    return " OR ".join(quoted(word) for word in words)


def quoted(word: str) -> str:
    """An FTS5 expression for exactly this, whatever is in it."""
    return '"' + word.replace('"', '""') + '"'


def _pairs(run: str) -> list[str]:
    """Neighboring characters: the smallest thing in such a script that means much."""
    if len(run) == 1:
        return [run]
    return [f"{first} {second}" for first, second in pairwise(run)]
