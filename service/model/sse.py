"""Server-sent events: bytes, split anywhere, become the data of whole events; no I/O."""

from __future__ import annotations

MAX_EVENT_BYTES = 10 * 1024 * 1024


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

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the data of the events that `data` completes, in order."""
        *whole, rest = data.split(b"\n")
        if whole and self._line:
            whole[0] = b"".join((*self._line, whole[0]))
            self._line, self._line_size = [], 0
        events: list[bytes] = []
        for line in whole:
            self._take(line, events)
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
            self._check(self._line_size)
        return events

    def end(self) -> list[bytes]:
        """Returns the last event where the server left out the blank line behind it."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes, events: list[bytes]) -> None:
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.startswith(b"data:"):
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data.append(value)
            self._data_size += len(value)
            self._check(self._data_size)
        elif not line and self._data:
            events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            self._data, self._data_size = [], 0

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ValueError("an event is too large")
