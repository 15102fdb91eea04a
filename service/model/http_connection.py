"""One HTTP/1.1 connection to a model server: bytes in, the head and body of one answer after the other out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

import httptools

from service.model.http_errors import (
    ConnectionLostError,
    HttpError,
    IdleTimeoutError,
    MalformedAnswerError,
    TotalTimeoutError,
)

HIGH_WATER = 256 * 1024
MAX_HEAD_BYTES = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time: `send`, then `read` until it returns b""."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._body: list[bytes] = []
        # For the parser, which calls it once for each chunk: hundreds of times for an answer.
        self.on_body: Callable[[bytes], None] = self._body.append
        self._parser = httptools.HttpResponseParser(self)
        self._arrived = 0
        self._asked = False
        self._head_done = False
        self._head_size = 0
        self._complete = False
        self._keep_alive = False
        self._paused = False
        self._failure: HttpError | None = None
        # True for who pours and has enough for now.
        self._waiter: asyncio.Future[bool] | None = None
        self._take: Callable[[list[bytes]], bool] | None = None
        self._idle_timeout = 0.0
        self._until = 0.0
        self._heard = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._due = 0.0

    # What the client calls.

    async def send(self, request: bytes, *, idle_timeout: float, until: float) -> None:
        """Sends a request and waits for the head of the answer. Raises HttpError, also later: once it is `until`."""
        if self._transport is None or self._transport.is_closing():
            raise self._failure or ConnectionLostError("closed")
        self.status, self.headers, self._head_size, self._arrived = 0, {}, 0, 0
        self._asked = True
        self._head_done = self._complete = self._keep_alive = False
        self._idle_timeout, self._until, self._heard = idle_timeout, until, self._loop.time()
        self._mind_time(min(self._heard + idle_timeout, until))
        self._transport.write(request)
        while not self._head_done:
            await self._arrival()

    async def read(self) -> bytes:
        """Returns all of the body that came since the last call, b"" at its end. Raises HttpError when it is cut."""
        return b"".join(await self.pieces())

    async def pieces(self) -> list[bytes]:
        """Returns the same in the chunks that the server sent, which often mean something; none at the end."""
        while not self._body:
            if self._complete:
                return []
            await self._arrival()
        return self._taken()

    async def pour(self, take: Callable[[list[bytes]], bool]) -> bool:
        """Calls `take` with what `pieces` would return, as it comes, for as long as it wants more.

        Returns whether there may be more: False at the end of the body. Raises HttpError, and what `take` raises.
        """
        while True:
            if self._body and not take(self._taken()):
                return True
            if self._complete:
                return False
            self._take = take
            try:
                if await self._arrival():
                    return True
            finally:
                self._take = None

    @property
    def complete(self) -> bool:
        """Whether the whole body has arrived."""
        return self._complete

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent."""
        alive = self._transport is not None and not self._transport.is_closing()
        return alive and self._complete and self._keep_alive and not self._body and self._failure is None

    def abort(self) -> None:
        """Closes the socket at once; whoever waits gets ConnectionLostError."""
        self._fail(ConnectionLostError("closed by us"))

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if not self._asked or self._complete:
            self._fail(MalformedAnswerError("bytes that nobody asked for"))
            return
        self._heard = self._loop.time()
        if self._head_done:
            self._arrived += len(data)
        else:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._misparsed(error)
        if not self._head_done and self._head_size > MAX_HEAD_BYTES:
            self._fail(MalformedAnswerError("a head that is too long"))
        elif self._arrived > HIGH_WATER and not self._paused and self._transport and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
        self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_done and exc is None and self._failure is None and not self._sized():
            self._complete = True  # Such a body ends where the connection does.
        self._fail(ConnectionLostError(str(exc)))
        # The parser knows this object: together they would wait for the garbage collector.
        del self._parser

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:  # An interim answer; the real one follows.
            self.headers.clear()
        else:
            self._head_done = True

    def on_message_complete(self) -> None:
        if self._head_done:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()

    # The rest.

    def _misparsed(self, error: Exception) -> None:
        if self._complete:  # What comes behind a whole answer does not spoil it, only the connection.
            self._keep_alive = False
        else:
            self._fail(MalformedAnswerError(str(error)))

    def _sized(self) -> bool:
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers

    def _taken(self) -> list[bytes]:
        pieces = self._body.copy()
        self._body.clear()
        self._arrived = 0
        if self._paused and self._transport:
            self._paused, self._heard = False, self._loop.time()
            self._transport.resume_reading()
        return pieces

    def _hand_on(self) -> None:
        take, waiter = self._take, self._waiter
        # Who waits no more, being cancelled, is told nothing more.
        if take is None or waiter is None or waiter.done() or not self._body:
            self._wake()
            return
        try:
            enough = not take(self._taken())
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            self._waiter = None
            waiter.set_exception(error)
            # What was raised knows this frame.
            del waiter
            return
        if enough or self._complete:
            self._wake(enough=enough)

    def _arrival(self) -> asyncio.Future[bool]:
        """Done when more is there, or the connection failed: no coroutine, for each token waits for one."""
        if self._failure:
            # Another of the same kind: what was raised knows all that waited for it, this object among them.
            raise type(self._failure)(*self._failure.args)
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self, *, enough: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(enough)

    def _mind_time(self, due: float) -> None:
        # One timer for many exchanges, moved on when it fires: cheaper than one for each, or for each arrival.
        if self._watchdog is None or due < self._due:
            self._stop_watchdog()
            self._watchdog, self._due = self._loop.call_at(due, self._check_time), due

    def _check_time(self) -> None:
        self._watchdog = None
        if not self._asked or self._complete:
            return
        now = self._loop.time()
        if self._paused:
            self._heard = now  # It is we who do not read.
        silent = self._heard + self._idle_timeout
        if now < min(silent, self._until):
            self._mind_time(min(silent, self._until))
        elif now >= self._until:
            self._fail(TotalTimeoutError("not over in time"))
        else:
            self._fail(IdleTimeoutError(f"nothing for {self._idle_timeout} s"))

    def _stop_watchdog(self) -> None:
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None

    def _fail(self, failure: HttpError) -> None:
        self._failure = self._failure or failure
        self._stop_watchdog()
        if self._transport and not self._transport.is_closing():
            self._transport.abort()
        self._wake()
