"""What writes to a client at once, past ASGI's messages, of which an answer or a token that comes alone needs none."""

from __future__ import annotations

import functools
import uuid
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from rest_bridge.errors import RequestError, error_body, error_headers

REPLY_KEY: Final = "nodexa.reply"
"""Where the server puts the Reply to a request in its ASGI scope."""


class Reply(Protocol):
    """What writes to a client at once, where there is nothing to heed but the bytes.

    `mark` is the last field of the head, as it is sent. `begun` says whether a good answer has begun this way.
    """

    mark: bytes
    begun: bool

    def whole(self, fields: bytes, body: bytes) -> bool:
        """Writes a good answer, given the fields of its head as they are sent. Whether that could be done."""

    def begins(self) -> bool:
        """Whether a good answer could be begun now."""

    def begin(self, fields: bytes, body: bytes) -> None:
        """Writes the head of a good answer, and the first piece of its body, where `begins` says so."""

    def takes(self) -> bool:
        """Whether a piece of a body that has begun could be written now."""

    def piece(self, body: bytes) -> None:
        """Writes a piece of a body, where `takes` says so."""

    def last(self, body: bytes) -> bool:
        """Writes the last piece of a body, where `takes` says so. Whether that could be done."""


class DirectReply:
    """Writes to the client of one request, past uvicorn's messages. Where there is more to heed, they are the way."""

    __slots__ = ("_cycle", "begun", "mark")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self.begun = False
        self.mark = b""

    def whole(self, fields: bytes, body: bytes) -> bool:
        """Writes a good answer in one piece. Whether it could be."""
        if not self.begins():
            return False
        cycle = self._cycle
        self._begin()
        cycle.transport.write(
            b"%b%b%b%b\r\n%b" % (STATUS_LINE[200], _shown(*cycle.default_headers), fields, self.mark, body)
        )
        self._end()
        return True

    def begins(self) -> bool:
        """Whether there is nothing to heed before an answer: a client that is gone or slow, or wants the end told."""
        cycle = self._cycle
        heeds = cycle.flow.write_paused or cycle.disconnected or cycle.response_started or not cycle.keep_alive
        return not (heeds or cycle.access_log or cycle.scope["method"] == "HEAD")

    def begin(self, fields: bytes, body: bytes) -> None:
        """Writes the head of a good answer and the first piece of its body, which isn't empty."""
        cycle = self._cycle
        self._begin()
        cycle.chunked_encoding = True
        head = b"%b%b%b%btransfer-encoding: chunked\r\n\r\n"
        shown = head % (STATUS_LINE[200], _shown(*cycle.default_headers), fields, self.mark)
        cycle.transport.write(b"%b%x\r\n%b\r\n" % (shown, len(body), body))

    def takes(self) -> bool:
        """Whether the client takes a piece of a body now; nobody waits here for one that is slow to read."""
        cycle = self._cycle
        gone = cycle.disconnected or cycle.response_complete
        return cycle.response_started and not (gone or cycle.flow.write_paused or not cycle.chunked_encoding)

    def piece(self, body: bytes) -> None:
        """Writes a piece of a body, which isn't empty."""
        self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(body), body))

    def last(self, body: bytes) -> bool:
        """Writes the last piece of a body. Whether the connection is one that stays, which is all that is done here."""
        if not self._cycle.keep_alive:
            return False
        self._cycle.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        self._end()
        return True

    def _begin(self) -> None:
        self.begun = self._cycle.response_started = True
        self._cycle.waiting_for_100_continue = False

    def _end(self) -> None:
        cycle = self._cycle
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()


def refusal_bytes(refusal: RequestError) -> bytes:
    """A whole answer to what is no request, or too much of one, after which the connection is closed."""
    body = error_body(refusal)
    headers = [
        *error_headers(refusal),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", f"req_{uuid.uuid4().hex}".encode()),
    ]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[refusal.status] + head + b"\r\n" + body


@functools.lru_cache(maxsize=4)
def _shown(*fields: tuple[bytes, bytes]) -> bytes:
    # The same for a second: the date is one of them.
    return b"".join([b"%b: %b\r\n" % field for field in fields])
