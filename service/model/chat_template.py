"""Recognizes stream events that repeat the one before in all but their text; pure.

Nearly all events of an answer do, and to compare bytes costs a fraction of parsing JSON: it is most of what a token
costs us. Nothing is guessed: an event is taken only where everything around one JSON string is, byte for byte, what it
was in an event that was parsed in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import orjson

KEY = b'"content":'
MARK = 12
"""Bytes before a text by which the next one is found."""
FEW = 8
"""So many events are compared at first, and twice as many whenever all were alike: little is done for nothing."""
LINE_END: Final = 0x0A
"""A number, since bytes are looked for in bytes only after they were tried as one, which costs an error inside."""


class TextTemplate:
    """What stood before and behind the text of the event that was learned; `key` is what stands before it."""

    def __init__(self, key: bytes = KEY) -> None:
        self._key = key
        self._head = b""
        self._tail = b""
        # What stands around the text where an event stands in a stream.
        self._before = b""
        self._behind = b""

    @property
    def learned(self) -> bool:
        """Whether there is an event to compare with."""
        return bool(self._before)

    def learn(self, event: bytes, text: str) -> None:
        """Takes an event that says `text` and nothing else. What can't be learned from is forgotten."""
        self._head = self._before = b""
        # A second key of that name may be another one; inside a string it can't stand, its quotes would be escaped.
        before, key, rest = event.partition(self._key)
        literal = orjson.dumps(text)
        value = rest.lstrip(b" ")
        if key and self._key not in rest and value.startswith(literal) and b"\n" not in event:
            spaces = rest[: len(rest) - len(value)]
            self._head, self._tail = before + key + spaces, value[len(literal) :]
            self._before, self._behind = b'data: %b"' % self._head, b'"%b\n\n' % self._tail

    def cut(self, data: bytes) -> tuple[list[str], bytes]:
        """Returns the texts of the events that `data` begins with, where they are like the one learned, and the rest.

        Next to nothing is done for each of them. Where anything else is between them, there are no texts, and all is
        the rest.
        """
        before, behind = self._before, self._behind
        if not before or not data.startswith(before):
            return [], data
        end = data.rfind(behind)
        if end < len(before):
            return [], data
        told = data[len(before) : end]
        literals = [told]
        # By a short mark, since the whole of what stands between two texts takes long to look for.
        if told.find(mark := before[-MARK:]) >= 0:
            between = behind + before
            left_over = len(between) - len(mark)
            *others, last = told.split(mark)
            literals = [*(piece[:-left_over] for piece in others), last]
            if between.join(literals) != told:
                return [], data
        texts = _strings(literals)
        return (texts, data[end + len(behind) :]) if texts else ([], data)

    def begin(self, pieces: Sequence[bytes]) -> list[str]:
        """Returns the texts of as many of the pieces, from the first on, as are one event each, like the one learned.

        Where anything else is between them, there are none. Nothing has to be looked for, as in `cut`.
        """
        before, behind = self._before, self._behind
        count = len(pieces) if before else 0
        while count and not (pieces[count - 1].startswith(before) and pieces[count - 1].endswith(behind)):
            count -= 1
        if not count:
            return []
        start, stop = len(before), -len(behind)
        literals = [piece[start:stop] for piece in pieces[:count]]
        if b"".join((before, (behind + before).join(literals), behind)) != b"".join(pieces[:count]):
            return []
        return _strings(literals)

    def alone(self, data: bytes) -> str:
        """Returns the text where `data` is one event like the one learned and nothing else; empty where it is not."""
        before, behind = self._before, self._behind
        if not before or not data.startswith(before) or not data.endswith(behind):
            return ""
        # With its quotes.
        return _string(data[len(before) - 1 : 1 - len(behind)])

    def read(self, event: bytes) -> str:
        """Returns the text of an event that is like the one learned; empty where it is not."""
        head, tail = self._head, self._tail
        if not head or not event.startswith(head) or not event.endswith(tail):
            return ""
        return _string(event[len(head) : len(event) - len(tail)])

    def run(self, events: Sequence[bytes], start: int) -> list[str]:
        """Returns the texts of the events from `start` on that are like the one learned, to the first that isn't."""
        texts: list[str] = []
        together = FEW
        while self._head and (found := self._first(events[start : start + together])):
            texts += found
            start += len(found)
            if len(found) < together:
                break
            together *= 2
        return texts

    def _first(self, events: Sequence[bytes]) -> list[str]:
        head, tail = self._head + b'"', b'"' + self._tail
        count = len(events)
        while count and not (events[count - 1].startswith(head) and events[count - 1].endswith(tail)):
            count -= 1
        alike = events[:count]
        literals = [event[len(head) - 1 : 1 - len(tail) or None] for event in alike]
        # Asked once for all: said in turn by the event that was learned, they make the same bytes.
        said = (self._tail + b"\n" + self._head).join(literals)
        if not alike or b"\n".join(alike) != self._head + said + self._tail:
            return self._each(events)
        try:
            # No string goes on behind a line's end: as many texts as literals are one of each.
            texts: list[str] = orjson.loads(b"[%b]" % b",\n".join(literals))
        except ValueError:
            return self._each(events)
        # An empty text is no event of its own.
        whole = len(texts) == count and set(map(type, texts)) == {str} and all(texts)
        return texts if whole else self._each(events)

    def _each(self, events: Sequence[bytes]) -> list[str]:
        return list(takewhile(bool, map(self.read, events)))


def _string(literal: bytes) -> str:
    """The text that a JSON string says; empty where it is none."""
    # Several events are no string, and to find that out here costs less than the error.
    if LINE_END in literal:
        return ""
    try:
        text = orjson.loads(literal)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""


def _strings(literals: Sequence[bytes]) -> list[str]:
    """The texts that these JSON strings without their quotes say; none where one is no string, or is empty."""
    try:
        # No string goes on behind a line's end: as many texts as literals are one of each.
        texts: list[str] = orjson.loads(b'["%b"]' % b'",\n"'.join(literals))
    except ValueError:
        return []
    # An empty text is no event of its own.
    return texts if len(texts) == len(literals) and all(texts) else []
