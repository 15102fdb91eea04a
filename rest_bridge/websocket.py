"""The server's side of one WebSocket, in raw ASGI: messages in their order, and a departure that is noticed at once."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from types import TracebackType
from typing import Final

from rest_bridge.presence import ClientLeft, Departure, Receive
from rest_bridge.sse import Send

MAX_WAITING: Final = 16
GOING_AWAY: Final = 1001
TOO_MUCH: Final = 1008
"""Codes of RFC 6455, section 7.4.1."""


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """The end of a connection. `last` is a message before it, if there is one."""

    code: int
    reason: str
    last: bytes = b""


class Socket:
    """A connection, accepted by `async with`. Everything that comes is read at once, so that pings are answered.

    At most MAX_WAITING messages wait, and `max_waiting_bytes` of them beside the first; more end the connection.
    """

    def __init__(self, receive: Receive, send: Send, *, max_waiting_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self._max_waiting = max_waiting_bytes
        self._waiting = 0
        self._inbox: asyncio.Queue[bytes | Close] = asyncio.Queue()
        self._left: Close | None = None
        self.departure = Departure()
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Socket:
        await self._receive()  # websocket.connect
        await self._send({"type": "websocket.accept"})
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.cancel()

    async def next(self) -> bytes | Close:
        """The next message, or the end: what `end` was given once all before it was taken, a departure at once."""
        message = self._left or await self._inbox.get()
        if not isinstance(message, Close):
            self._waiting -= len(message)
        return self._left or message

    def end(self, close: Close) -> None:
        """Makes `next` return this when what came before is done."""
        self._inbox.put_nowait(close)

    async def write(self, message: bytes) -> None:
        """Sends one text message. Raises ClientLeft."""
        try:
            await self._send({"type": "websocket.send", "text": message.decode()})
        except (OSError, RuntimeError):
            # uvicorn raises the one behind a lost connection, the other behind one that it has closed by itself.
            raise ClientLeft from None

    async def close(self, close: Close) -> None:
        """Closes the connection; one that is closed already stays so."""
        with contextlib.suppress(ClientLeft, OSError, RuntimeError):
            if close.last:
                await self.write(close.last)
            await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})

    async def _listen(self) -> None:
        while self._left is None:
            message = await self._receive()
            if message["type"] == "websocket.receive":
                self._take(message.get("bytes") or (message.get("text") or "").encode())
            else:
                self._leave(Close(GOING_AWAY, ""))

    def _take(self, message: bytes) -> None:
        full = self._inbox.qsize() >= MAX_WAITING
        if full or (self._waiting and self._waiting + len(message) > self._max_waiting):
            self._leave(Close(TOO_MUCH, f"At most {MAX_WAITING} requests of {self._max_waiting} bytes may wait."))
            return
        self._waiting += len(message)
        self._inbox.put_nowait(message)

    def _leave(self, close: Close) -> None:
        self._left = close
        self._inbox.put_nowait(close)
        self.departure.happen()
