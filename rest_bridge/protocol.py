"""uvicorn's protocols with what they lack: limits of a request's head, and WebSockets that end in good order."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

import httptools
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from rest_bridge.body import BODY_KEY
from rest_bridge.errors import RequestError, error_body, error_headers
from rest_bridge.presence import DEPARTURE_KEY, Departure
from rest_bridge.reply import REPLY_KEY, DirectReply
from rest_bridge.settings import Settings

CLOSE_SECONDS: Final = 2
"""How long a WebSocket's client may take to answer our goodbye."""
SPARE_CONNECTIONS: Final = 100
"""How many are heard out beyond the bound, for the sake of probes; the next are closed at once."""
UNSENT_BYTES: Final = 4 * 1024
"""So much of an answer waits here for a client that is slow to read; what makes the answer waits behind that."""
WHOLE_BYTES: Final = 16 * 1024
"""A body of so many bytes that came with its head is handed over with it."""
BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods that no route reads a body of."""
PROBES: Final = (b"/healthz", b"/readyz")
_FIELD_OVERHEAD: Final = 4  # ": " and the line's end


def limited_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """The protocol class with these limits, for uvicorn to make instances of."""
    return type("LimitedProtocol", (_LimitedProtocol,), {"settings": settings})


class _LimitedProtocol(HttpToolsProtocol):
    settings: Settings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._begun = False
        self._fresh = False
        self._excess = False
        self._small = False
        self._head_bytes = 0
        self._refusal: RequestError | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._departure = Departure()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._excess = len(self.connections) > self.settings.max_connections
        if len(self.connections) > self.settings.max_connections + SPARE_CONNECTIONS:
            transport.abort()
            return
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)
        self._departure.happen()

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        # A head that begins in what is no larger than a head may be ends in it, as nearly all do, or is counted.
        self._small = len(data) <= self.settings.max_head_bytes and not (was_in_head and self._begun)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        # Most heads come whole: a time is set only for one that doesn't.
        if self._fresh:
            self._fresh = False
            self._start_deadline()
        # A field without an end reaches no callback: what came in is counted here as well.
        if was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.settings.max_head_bytes + self.settings.max_url_bytes:
                self._refusal = self._head_too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._begun, self._fresh, self._head_bytes = True, True, True, 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.settings.max_url_bytes:
            limit = self.settings.max_url_bytes
            self._refuse(RequestError("url_too_long", f"The URL has more than {limit} bytes."))

    def on_headers_complete(self) -> None:
        if len(self.headers) > self.settings.max_headers:
            limit = self.settings.max_headers
            self._refuse(RequestError("request_head_too_large", f"The request has more than {limit} headers."))
        if not self._small and self._head_size() > self.settings.max_head_bytes:
            self._refuse(self._head_too_large())
        self._excess = self._excess and len(self.connections) > self.settings.max_connections
        if self._excess and self.url not in PROBES:
            most = self.settings.max_connections
            self._refuse(RequestError("service_unavailable", f"All {most} connections are in use; try again soon."))
        self._in_head = False
        self._stop_deadline()
        self.scope[DEPARTURE_KEY] = self._departure  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            self.scope[REPLY_KEY] = DirectReply(cycle)  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        # Nobody reads it. Kept, it would stop all reading, and with that the news that the client has gone.
        if self.scope["method"] not in BODILESS:
            super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        # Most bodies come with their head, before anything asks for them: then nobody waits, and no time is set.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.scope is self.scope and not cycle.more_body and len(cycle.body) <= WHOLE_BYTES:
            self.scope[BODY_KEY] = bytes(cycle.body)  # type: ignore[typeddict-unknown-key]

    def send_400_response(self, msg: str) -> None:
        """Answers what is no request, or too much of one. uvicorn calls this when the parser raises."""
        refusal = self._refusal or RequestError("invalid_request", "This is not a valid HTTP request.")
        # In the middle of another answer there is no place for this one.
        cycle: RequestResponseCycle | None = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
            self.transport.write(_answer(refusal))
        self._stop_deadline()
        self.transport.close()

    def _refuse(self, refusal: RequestError) -> None:
        self._refusal = refusal
        raise httptools.HttpParserError(refusal.message)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in self.headers)

    def _head_too_large(self) -> RequestError:
        limit = self.settings.max_head_bytes
        return RequestError("request_head_too_large", f"The request's head has more than {limit} bytes.")

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self.settings.head_seconds, self._head_timeout)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_timeout(self) -> None:
        if self.transport.is_closing():
            return
        limit = self.settings.head_seconds
        self._refusal = RequestError("request_timeout", f"The request's head did not arrive within {limit:g} seconds.")
        if self._begun:
            self.send_400_response("")
        else:
            self.transport.close()  # a connection that never asked for anything


class SocketProtocol(WebSocketsSansIOProtocol):
    """The WebSocket side. When the server stops, the application closes its connections, not uvicorn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_SECONDS

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # An upgrade comes here whole. What could not be read of it is beyond limits of the library, which says nothing.
        if not self.handshake_initiated and not self.transport.is_closing():
            message = "The request's head has a line that is too long, or too many lines, for a WebSocket."
            self.transport.write(_answer(RequestError("request_head_too_large", message)))
            self.transport.close()

    def handle_text(self, event: Frame) -> None:
        """Text that is no UTF-8 is refused in the application, with words and without a traceback in the log."""
        self.handle_bytes(event)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        # Otherwise uvicorn logs an error for each upgrade that was refused.
        self.handshake_complete = self.handshake_complete or message["type"] == "websocket.http.response.body"

    def shutdown(self) -> None:
        """Uvicorn's own version closes at once, in the middle of a response."""

    def keepalive_timeout(self) -> None:
        """A client that answers no ping reads nothing either: what is still to be sent would wait for ever."""
        super().keepalive_timeout()
        self.transport.abort()


def _answer(refusal: RequestError) -> bytes:
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
