"""Finds where a text cites what tools found: the marks `[1]` in it become annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

MOST: Final = 1000
"""How many annotations one text gets at most."""

_NUMBER: Final = r"\^?[0-9]{1,4}"
_NUMBERS: Final = rf"\s?{_NUMBER}(?:\s?[,;–-]\s?{_NUMBER}){{0,31}}\s?"
_MARK: Final = re.compile(
    # In code, brackets are an index. Behind a backslash they are a formula.
    r"```.*?(?:```|\Z)|`[^`\n]*`|\\\["
    rf"|\[(?P<square>{_NUMBERS})\]"
    # As models write that learned to cite from ChatGPT: 【1】, 【1†source】, 【1†L3-L5】.
    rf"|【(?P<thick>{_NUMBERS})(?:†[^【】\n]{{0,200}})?】",
    re.DOTALL,
)
_SPAN: Final = re.compile(r"([0-9]+)(?:\s?[–-]\s?\^?([0-9]+))?")


def citations(text: str, cited: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The annotations of a text: for each mark of it the sources that it names, in their order, MOST at most.

    `cited[0]` is what `[1]` stands for: an annotation as on the HTTP wire, without its place. Places are counted in
    code points: `text[start_index:end_index]` is the mark of a `url_citation`, `text[index:]` begins with that of a
    `file_citation`. Marks without a source are only text.
    """
    if not cited:
        return []
    return list(islice(_annotations(text, cited), MOST))


def _annotations(text: str, cited: Sequence[Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    for mark in _MARK.finditer(text):
        if mark.lastgroup is not None:
            for number in _numbers(mark[mark.lastgroup], most=len(cited)):
                yield _annotation(cited[number - 1], *mark.span())


def _annotation(source: Mapping[str, str], start: int, end: int) -> dict[str, Any]:
    if source.get("type") == "url_citation":
        return {**source, "start_index": start, "end_index": end}
    return {**source, "index": start}


def _numbers(marked: str, *, most: int) -> Sequence[int]:
    """The numbers that a mark names, each once: `1, 3-5` are four."""
    found: dict[int, None] = {}
    for span in _SPAN.finditer(marked):
        first = int(span[1])
        last = int(span[2] or first)
        found.update(dict.fromkeys(range(max(1, first), min(last, most) + 1)))
    return list(found)
