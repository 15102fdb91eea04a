"""What writes to a client at once, past ASGI's messages, of which an answer or a token that comes alone needs none."""

from __future__ import annotations

import functools
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

REPLY_KEY: Final = "nodexa.reply"
"""Where the server puts the Reply to a request in its ASGI scope."""


class Reply(Protocol):
    """What writes to a client at once, where there is nothing to heed but the bytes."""

    def whole(self, fields: bytes, body: bytes) -> bool:
        """Writes a good answer, given the fields of its head as they are sent. Whether that could be done."""

    def takes(self) -> bool:
        """Whether a piece of a body that has begun could be written now."""

    def piece(self, body: bytes) -> None:
        """Writes a piece of a body, where `takes` says so."""


class DirectReply:
    """Writes to the client of one request, past uvicorn's messages. Where there is more to heed, they are the way."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    def whole(self, fields: bytes, body: bytes) -> bool:
        """Writes a good answer in one piece. Whether it could be."""
        cycle = self._cycle
        heeds = cycle.flow.write_paused or cycle.disconnected or cycle.response_started or not cycle.keep_alive
        if heeds or cycle.access_log or cycle.scope["method"] == "HEAD":
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[200], _shown(*cycle.default_headers), fields, body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def takes(self) -> bool:
        """Whether the client takes a piece of a body now; nobody waits here for one that is slow to read."""
        cycle = self._cycle
        gone = cycle.disconnected or cycle.response_complete
        return cycle.response_started and not (gone or cycle.flow.write_paused or not cycle.chunked_encoding)

    def piece(self, body: bytes) -> None:
        """Writes a piece of a body, which isn't empty."""
        self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(body), body))


@functools.lru_cache(maxsize=4)
def _shown(*fields: tuple[bytes, bytes]) -> bytes:
    # The same for a second: the date is one of them.
    return b"".join([b"%b: %b\r\n" % field for field in fields])
