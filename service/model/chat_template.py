"""Recognizes stream events that repeat the one before in all but their text; pure.

Nearly all events of an answer do, and to compare bytes costs a fraction of parsing JSON: it is most of what a token
costs us. Nothing is guessed: an event is taken only where everything around one JSON string is, byte for byte, what it
was in an event that was parsed in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, takewhile

import orjson

KEY = b'"content":'


class TextTemplate:
    """What stood before and behind the text of the event that was learned; `key` is what stands before it."""

    def __init__(self, key: bytes = KEY) -> None:
        self._key = key
        self._head = b""
        self._tail = b""

    def learn(self, event: bytes, text: str) -> None:
        """Takes an event that says `text` and nothing else. What can't be learned from is forgotten."""
        self._head = b""
        # A second key of that name may be another one; inside a string it can't stand, its quotes would be escaped.
        before, key, rest = event.partition(self._key)
        literal = orjson.dumps(text)
        value = rest.lstrip(b" ")
        if key and self._key not in rest and value.startswith(literal):
            spaces = rest[: len(rest) - len(value)]
            self._head, self._tail = before + key + spaces, value[len(literal) :]

    def read(self, event: bytes) -> str:
        """Returns the text of an event that is like the one learned; empty where it is not."""
        head, tail = self._head, self._tail
        if not head or not event.startswith(head) or not event.endswith(tail):
            return ""
        try:
            text = orjson.loads(event[len(head) : len(event) - len(tail)])
        except ValueError:
            return ""
        return text if isinstance(text, str) else ""

    def run(self, events: Sequence[bytes], start: int) -> list[str]:
        """Returns the texts of the events from `start` on that are like the one learned, to the first that isn't."""
        if not self._head:
            return []
        head, tail = self._head + b'"', b'"' + self._tail
        shortest, begin, end = len(head) + len(tail), len(head) - 1, 1 - len(tail)
        literals = list[bytes]()
        for event in islice(events, start, None):
            # An empty text is no event of its own.
            if len(event) == shortest or not (event.startswith(head) and event.endswith(tail)):
                break
            literals.append(event[begin : end or None])
        try:
            # No string goes on behind a line's end: as many texts as literals are one of each.
            texts: list[str] = orjson.loads(b"[%b]" % b",\n".join(literals))
        except ValueError:
            texts = []
        return texts if len(texts) == len(literals) else list(takewhile(bool, map(self.read, events[start:])))
