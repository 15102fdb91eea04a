"""The programs in a Markdown document: every fenced block, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `label` is the bold word that opens the last line before it that has one in its section."""

    section: str
    label: str
    language: str
    text: str


_LINE = re.compile(
    r"^## (?P<section>.+)$|^\*\*(?P<label>[^*]+)\*\*.*$|^```(?P<language>\w+)\n(?P<text>(?s:.)*?)^```$",
    re.MULTILINE,
)


def blocks(document: str) -> list[Block]:
    """All blocks that have a language, in order."""
    found = []
    section = label = ""
    for match in _LINE.finditer(document):
        if match["section"]:
            section, label = match["section"], ""
        elif match["label"]:
            label = match["label"]
        else:
            found.append(Block(section, label, match["language"], match["text"]))
    return found
