"""uvicorn's protocol with what it lacks: limits of a request's head, and a memory for one that comes again."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rest_bridge.body import BODY_KEY
from rest_bridge.errors import RequestError
from rest_bridge.hearing import Deadline, grace
from rest_bridge.known_head import KnownHead, learn
from rest_bridge.presence import DEPARTURE_KEY, Departure
from rest_bridge.reply import REPLY_KEY, DirectReply, refusal_bytes
from rest_bridge.settings import Settings

SPARE_CONNECTIONS: Final = 100
"""How many are heard out beyond the bound, for the sake of probes; the next are closed at once."""
UNSENT_BYTES: Final = 4 * 1024
"""So much of an answer waits here for a client that is slow to read; what makes the answer waits behind that."""
WHOLE_BYTES: Final = 16 * 1024
"""A body of so many bytes that came with its head is handed over with it."""
LESSONS: Final = 4
"""So many heads of a connection are looked at for one that comes again; some clients say something else each time."""
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
        self._deadline = Deadline(self.loop)
        self._departure = Departure()
        self._between = False
        self._paused_at: float | None = None
        self._known: KnownHead | None = None
        self._lessons = LESSONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._excess = len(self.connections) > self.settings.max_connections
        if len(self.connections) > self.settings.max_connections + SPARE_CONNECTIONS:
            transport.abort()
            return
        self._deadline.start(self.settings.head_seconds, self._head_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.stop()
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._departure.happen()

    def data_received(self, data: bytes) -> None:
        known, fresh = self._known, self._between
        if known is not None and fresh and self._idle() and (body := known.body(data)) is not None:
            self._meet(known, body)
            return
        was_in_head = self._in_head
        # A head that begins in what is no larger than a head may be ends in it, as nearly all do, or is counted.
        self._small = len(data) <= self.settings.max_head_bytes and not (was_in_head and self._begun)
        super().data_received(data)
        if fresh and self._between and self._lessons:
            self._learn(data)
        if not self._in_head or self.transport.is_closing():
            return
        # Most heads come whole: a time is set only for one that doesn't.
        if self._fresh:
            self._fresh = False
            self._deadline.start(self.settings.head_seconds, self._head_timeout)
        # A field without an end reaches no callback: what came in is counted here as well.
        if was_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.settings.max_head_bytes + self.settings.max_url_bytes:
                self._refusal = self._head_too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._begun, self._fresh, self._head_bytes = True, True, True, 0
        self._between = False

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
        self._deadline.stop()
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
        self._between = True
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
            self.transport.write(refusal_bytes(refusal))
        self._deadline.stop()
        self.transport.close()

    def on_response_complete(self) -> None:
        """Uvicorn's own version sets a timer anew for each pause between two requests, which takes its time."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._paused_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._look_at_pause)

    def _unset_keepalive_if_required(self) -> None:
        self._paused_at = None

    def _look_at_pause(self) -> None:
        self.timeout_keep_alive_task = None
        since = self._paused_at
        if since is None:
            return
        due = since + self.timeout_keep_alive
        if due > self.loop.time():
            self.timeout_keep_alive_task = self.loop.call_at(due, self._look_at_pause)
        else:
            self.timeout_keep_alive_task = self.loop.call_later(grace(self.loop, due), self._end_pause, since)

    def _end_pause(self, since: float) -> None:
        if self._paused_at == since:
            self.timeout_keep_alive_handler()
        else:
            self._look_at_pause()

    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        quiet = not self.pipeline and (cycle is None or cycle.response_complete)
        return quiet and not self._excess and not self.transport.is_closing()

    def _learn(self, data: bytes) -> None:
        """Keeps the head of a request that came alone and whole."""
        cycle: RequestResponseCycle | None = self.cycle
        usual = self.scope["method"] == "POST" and BODY_KEY in self.scope and not self.expect_100_continue
        if usual and cycle is not None and cycle.scope is self.scope and cycle.keep_alive and not self._upgrades():
            self._lessons -= 1
            own = (BODY_KEY, REPLY_KEY, "state")
            self._known = learn(data, {name: value for name, value in self.scope.items() if name not in own})

    def _upgrades(self) -> bool:
        return self.transport.is_closing() or self.parser.should_upgrade()

    def _meet(self, known: KnownHead, body: bytes) -> None:
        """Does for a request with a known head what is done for others while they are parsed."""
        self._unset_keepalive_if_required()
        scope: Any = {**known.scope, "state": self.app_state.copy()}
        self.scope, self.headers = scope, scope["headers"]
        self.cycle = cycle = RequestResponseCycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        cycle.body += body
        cycle.more_body = False
        cycle.message_event.set()
        scope[REPLY_KEY] = DirectReply(cycle)
        if len(body) <= WHOLE_BYTES:
            scope[BODY_KEY] = body
        self._start_asgi_task(cycle, self.app)

    def _refuse(self, refusal: RequestError) -> None:
        self._refusal = refusal
        raise httptools.HttpParserError(refusal.message)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in self.headers)

    def _head_too_large(self) -> RequestError:
        limit = self.settings.max_head_bytes
        return RequestError("request_head_too_large", f"The request's head has more than {limit} bytes.")

    def _head_timeout(self) -> None:
        if self.transport.is_closing():
            return
        limit = self.settings.head_seconds
        self._refusal = RequestError("request_timeout", f"The request's head did not arrive within {limit:g} seconds.")
        if self._begun:
            self.send_400_response("")
        else:
            self.transport.close()  # a connection that never asked for anything
