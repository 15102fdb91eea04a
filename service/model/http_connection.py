"""One HTTP/1.1 connection to a model server: bytes in, the head and body of one answer after the other out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import cast

from service.model.http_answer import HttpAnswer
from service.model.http_clock import ExchangeClock
from service.model.http_errors import ConnectionLostError, HttpError, MalformedAnswerError
from service.model.outbox import Outbox

HIGH_WATER = 256 * 1024


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time: `send`, then `read` until it returns b""."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._answer = HttpAnswer()
        self._loop = loop
        self._outbox = outbox
        self._transport: asyncio.Transport | None = None
        self._arrived = 0
        self._asked = False
        self._paused = False
        self._failure: HttpError | None = None
        # True for who pours and has enough for now.
        self._waiter: asyncio.Future[bool] | None = None
        self._take: Callable[[list[bytes]], bool] | None = None
        self._watcher: Callable[[], None] | None = None
        self._clock = ExchangeClock(loop, self._check_time)

    # What the client calls.

    @property
    def status(self) -> int:
        """Of the answer, 0 where its head isn't there."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Of the answer, their names in lower case."""
        return self._answer.headers

    @property
    def until(self) -> float:
        """When, in its loop's seconds, the exchange must be over."""
        return self._clock.until

    @property
    def now(self) -> float:
        """The time of its loop, in seconds."""
        return self._loop.time()

    async def send(self, request: bytes, *, idle_timeout: float, until: float) -> None:
        """Sends a request and waits for the head of the answer. Raises HttpError, also later: once it is `until`."""
        self.ask(request, idle_timeout=idle_timeout, until=until)
        await self.head()

    def ask(self, request: bytes, *, idle_timeout: float, until: float) -> None:
        """Sends a request, behind this turn of the loop, and waits for nothing. Raises HttpError."""
        if self._transport is None or self._transport.is_closing():
            raise self._failure or ConnectionLostError("closed")
        self._answer.begin()
        self._arrived, self._asked = 0, True
        self._clock.begin(idle_timeout=idle_timeout, until=until)
        self._outbox.write(self._transport, request)

    async def head(self) -> None:
        """Returns once the head of the answer is there. Raises HttpError."""
        while not self._answer.head_done:
            await self._arrival()

    def watch(self, call: Callable[[], None] | None) -> None:
        """Has `call` called once, when a good JSON answer is whole, or when it's seen that there won't be one.

        Whatever it is then is for who reads. None: whoever watched doesn't care any more.
        """
        self._watcher = call

    async def read(self) -> bytes:
        """Returns all of the body that came since the last call, b"" at its end. Raises HttpError when it is cut."""
        return b"".join(await self.pieces())

    async def pieces(self) -> list[bytes]:
        """Returns the same in the chunks that the server sent, which often mean something; none at the end."""
        while not self._answer.body:
            if self._answer.complete:
                return []
            await self._arrival()
        return self.taken()

    def taken(self) -> list[bytes]:
        """Returns what came of the body since the last look, and waits for nothing."""
        pieces = self._answer.body.copy()
        self._answer.body.clear()
        self._arrived = 0
        if self._paused and self._transport:
            self._paused, self._clock.heard = False, self._loop.time()
            self._transport.resume_reading()
        return pieces

    async def pour(self, take: Callable[[list[bytes]], bool]) -> bool:
        """Calls `take` with what `pieces` would return, as it comes, for as long as it wants more.

        Returns whether there may be more: False at the end of the body. Raises HttpError, and what `take` raises.
        """
        while True:
            if self._answer.body and not take(self.taken()):
                return True
            if self._answer.complete:
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
        return self._answer.complete

    @property
    def good(self) -> bool:
        """Whether it is all of an answer in JSON, and no refusal."""
        return self._answer.complete and self._answer.promising and self._failure is None

    @property
    def reusable(self) -> bool:
        """Whether another request can be sent."""
        alive = self._transport is not None and not self._transport.is_closing()
        return (
            alive
            and self._answer.complete
            and self._answer.keep_alive
            and not self._answer.body
            and self._failure is None
        )

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
        if not self._asked or self._answer.complete:
            self._fail(MalformedAnswerError("bytes that nobody asked for"))
            return
        self._clock.heard = self._loop.time()
        answer = self._answer
        if answer.head_done:
            self._arrived += len(data)
        try:
            answer.feed(data)
        except MalformedAnswerError as error:
            self._fail(error)
        if self._arrived > HIGH_WATER and not self._paused and self._transport and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
        self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer.head_done and exc is None and self._failure is None and not self._answer.sized:
            self._answer.complete = True  # Such a body ends where the connection does.
        self._fail(ConnectionLostError(str(exc)))
        self._answer.close()

    # The rest.

    def _hand_on(self) -> None:
        if self._watcher is not None:
            # What is no good answer needs somebody to wait for it.
            if self._answer.complete or self._paused or (self._answer.head_done and not self._answer.promising):
                self._wake()
            return
        take, waiter = self._take, self._waiter
        # Who waits no more, being cancelled, is told nothing more.
        if take is None or waiter is None or waiter.done() or not self._answer.body:
            self._wake()
            return
        try:
            enough = not take(self.taken())
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits
            self._waiter = None
            waiter.set_exception(error)
            # What was raised knows this frame.
            del waiter
            return
        if enough or self._answer.complete:
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
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher()

    def _check_time(self) -> None:
        if not self._asked or self._answer.complete:
            return
        if self._paused:
            self._clock.heard = self._loop.time()  # It is we who do not read.
        if late := self._clock.late():
            self._fail(late)

    def _fail(self, failure: HttpError) -> None:
        self._failure = self._failure or failure
        self._clock.stop()
        if self._transport and not self._transport.is_closing():
            self._transport.abort()
        self._wake()
