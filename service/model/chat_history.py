"""The messages of a chat-completions request as JSON text: what a thread said before is written once; no I/O.

A thread only grows, so most of its messages are those of the turn before. They are kept as text, up to a place behind
which no item can change them: a message that isn't the assistant's, where no call waits for its output.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from nodexa.v1.item_pb2 import Item
from nodexa.v1.item_pb2 import Message as ItemMessage

from service.model.chat_messages import Message, join_opening, translated
from service.model.offers import plain_items
from service.model.thread import Continued, Said

KIND: Final = "chat"
AT_ONCE: Final = 16
"""Items of a long thread that are translated together, when there are many."""


def chat_history(instructions: str, items: Sequence[Item]) -> bytes:
    """Returns the JSON array of the messages of these items behind the instructions."""
    opening: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    if not isinstance(items, Continued) or not items.said.length:
        return orjson.dumps(join_opening(opening + translated(plain_items(items))))
    told: Told = items.said.thread.told.setdefault(KIND, Told())
    before, text, place = told.until(items.said)
    rest = translated(plain_items(items[place:]))
    if not text:
        return orjson.dumps(join_opening(opening + rest))
    pieces = (orjson.dumps(join_opening(opening + before))[1:-1], text, orjson.dumps(rest)[1:-1])
    return b"[%b]" % b",".join(filter(None, pieces))


def piece(items: Sequence[Item], *, first: bool) -> tuple[bytes, bytes] | None:
    """What is told of a stretch of a thread: the system messages that open it, as a JSON array, and the others.

    Those are the inside of an array. Where the stretch is the `first` and is nothing but an opening, it is None.
    """
    messages = translated(plain_items(items))
    count = _openings(messages) if first else 0
    if first and count == len(messages):
        return None
    return orjson.dumps(messages[:count]), orjson.dumps(messages[count:])[1:-1]


class Told:
    """What was translated of one thread."""

    def __init__(self) -> None:
        self._opening: list[Message] = []
        self._text = bytearray()
        # Places in the thread, and how long the text before each is.
        self._places = [0]
        self._sizes = [0]

    @classmethod
    def again(cls, opening: bytes, pieces: Iterable[tuple[int, bytes]]) -> Told:
        """What was told of a thread before: its opening, and for places in it what is told between them."""
        told = cls()
        told._opening = orjson.loads(opening)
        for end, text in pieces:
            told._add(end, text)
        return told

    def until(self, said: Said) -> tuple[list[Message], bytes, int]:
        """Returns the system messages that open the thread, the text behind them, and how many items both are of."""
        if said.length > self._places[-1]:
            self._go_on(said)
        nearest = bisect_right(self._places, said.length) - 1
        # A view, since a slice of the array would be one copy more.
        with memoryview(self._text) as text:
            return self._opening, bytes(text[: self._sizes[nearest]]), self._places[nearest]

    def _go_on(self, said: Said) -> None:
        items, start = said.thread.items, self._places[-1]
        ends = list(_closed(items, start, said.length))
        for end in (*ends[AT_ONCE - 1 : -1 : AT_ONCE], *ends[-1:]):
            told = piece(items[start:end], first=not start)
            if told is None:
                continue  # Nothing but an opening, which what comes next may still belong to.
            if not start:
                self._opening = orjson.loads(told[0])
            self._add(end, told[1])
            start = end

    def _add(self, end: int, text: bytes) -> None:
        if self._text and text:
            self._text += b","
        self._text += text
        self._places.append(end)
        self._sizes.append(len(self._text))


def _openings(messages: Sequence[Message]) -> int:
    return next((n for n, message in enumerate(messages) if message["role"] != "system"), len(messages))


def _closed(items: Sequence[Item], start: int, stop: int) -> Iterator[int]:
    """Yields the places behind `start` where everything before is whole."""
    waiting: set[Any] = set()
    for place in range(start, stop):
        item = items[place]
        kind = item.WhichOneof("kind")
        if kind == "message":
            if place > start and item.message.role != ItemMessage.ROLE_ASSISTANT and not waiting:
                yield place
        elif kind in ("function_call", "custom_tool_call"):
            waiting.add(getattr(item, kind).call_id)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            waiting.discard(getattr(item, kind).call_id)
