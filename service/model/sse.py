"""Server-sent events: bytes, split anywhere, become the data of whole events; no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MAX_EVENT_BYTES = 10 * 1024 * 1024
_FIELD = b"data: "
_BETWEEN = b"\n\n" + _FIELD
# Numbers: bytes are looked for in bytes only after they were tried as one, which costs an error inside.
_LINE_END: Final = 0x0A
_RETURN: Final = 0x0D


class SseParser:
    """Collects the `data` of events; every other field and every comment is skipped.

    Lines end with LF or CRLF. An event of more than `limit` bytes raises ValueError.
    """

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._data: list[bytes] = []
        self._data_size = 0
        # Pieces of the line that has no end yet; joined once, so that a long line costs its length and no more.
        self._line: list[bytes] = []
        self._line_size = 0

    @property
    def begun(self) -> bool:
        """Whether an event has some of its lines."""
        return bool(self._data)

    @property
    def between(self) -> bool:
        """Whether the next byte begins an event."""
        return not self._data and not self._line

    def with_kept(self, data: bytes) -> bytes:
        """Returns `data` behind what was kept of a line that had no end, which isn't kept any more."""
        if self._line:
            data = b"".join((*self._line, data))
            self._line, self._line_size = [], 0
        return data

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the data of the events that `data` completes, in order."""
        if _LINE_END not in data:
            self._keep(data)
            return []
        data = self.with_kept(data)
        if events := self._simple(data):
            return events
        *whole, rest = data.split(b"\n\n") if _RETURN not in data else [data]
        for event in whole:
            # Nearly all events are one line of data.
            if event.startswith(b"data: ") and _LINE_END not in event and not self._data:
                events.append(event[6:])
                if len(event) > self._limit:
                    self._check(len(event))
            else:
                self._take_lines((*event.split(b"\n"), b""), events)
        *lines, line = rest.split(b"\n")
        self._take_lines(lines, events)
        self._keep(line)
        return events

    def end(self) -> list[bytes]:
        """Returns the last event where the server left out the blank line behind it."""
        return self.feed(b"\n\n")

    def _simple(self, data: bytes) -> list[bytes]:
        """The events, if all are one line of data, and none is begun but the last; else none, and nothing is taken.

        Nearly all reads of a stream are that, and then next to nothing is done for each event.
        """
        end = data.rfind(b"\n\n")
        if end < 0 or end > self._limit or self._data or _RETURN in data or not data.startswith(_FIELD):
            return []
        events = data[len(_FIELD) : end].split(_BETWEEN)
        rest = data[end + 2 :]
        if _LINE_END in rest or _LINE_END in b"".join(events):
            return []
        self._keep(rest)
        return events

    def _take_lines(self, lines: Iterable[bytes], events: list[bytes]) -> None:
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                value = text[5:].removeprefix(b" ")
                self._data.append(value)
                self._data_size += len(value)
                self._check(self._data_size)
            elif not text and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data, self._data_size = [], 0

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._line_size += len(piece)
            self._check(self._line_size)

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ValueError("an event is too large")
