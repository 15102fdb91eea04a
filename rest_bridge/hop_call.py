"""Calls to the core that need none of gRPC's, as those who make them see them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import grpc
from nodexa.v1.bridge_service_pb2 import BridgePart, CallEnd, CorePart, MetadataEntry, OpenCall

CREDIT: Final = 8 * 1024
"""So many bytes of messages are read before the core is told that it may send as many more."""
LOST: Final = CallEnd(status=grpc.StatusCode.UNAVAILABLE.value[0], message="The connection to the core was lost.")
LATE: Final = CallEnd(status=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], message="The core did not answer in time.")
LEFT: Final = CallEnd(status=grpc.StatusCode.CANCELLED.value[0], message="The call was cancelled.")

T = TypeVar("T")
Read = Callable[[bytes], T]
Metadata = Sequence[tuple[str, str]]
Pairs = tuple[tuple[str, str | bytes], ...]
Send = Callable[[BridgePart], None]
_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}


class Calls:
    """The calls that are open; `send` takes what there is to say about them."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, HopCall[Any]] = {}
        self._last = 0

    def begin(
        self, method: str, request: bytes, read: Read[T], *, metadata: Metadata, timeout: float | None
    ) -> HopCall[T]:
        """Begins a call that fails after `timeout` seconds."""
        self._last += 1
        call = self._open[self._last] = HopCall(self._last, read, send=self._send, forget=self._open.pop)
        if timeout is not None:
            call.timer = self._loop.call_later(timeout, call.end, LATE)
        entries = [MetadataEntry(name=name, text=value) for name, value in metadata]
        opening = OpenCall(method=method, metadata=entries, request=request)
        self._send(BridgePart(call=self._last, open=opening))
        return call

    def take(self, part: CorePart) -> None:
        """Takes what the core says."""
        if (call := self._open.get(part.call)) is not None:
            call.take(part)

    def lose(self) -> None:
        """The core is gone: all of them have failed."""
        for call in list(self._open.values()):
            call.finish(LOST)


class HopCall(Generic[T]):
    """One call, with those methods of gRPC's own calls that are used here. One task reads it."""

    timer: asyncio.TimerHandle | None = None

    def __init__(self, number: int, read: Read[T], *, send: Send, forget: Callable[[int], Any]) -> None:
        self._number = number
        self._send = send
        self._forget = forget
        self._decode = read
        self._head: Pairs = ()
        self._messages: deque[bytes] = deque()
        self._unread = 0
        self._begun = False
        self._end: CallEnd | None = None
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._answer().__await__()

    def __aiter__(self) -> HopCall[T]:
        return self

    async def __anext__(self) -> T:
        message = await self.read()
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        return cast(T, message)

    async def read(self) -> Any:
        """The next message, or EOF. Raises AioRpcError."""
        while not self._messages and self._end is None:
            await self._next_news()
        if not self._messages:
            self._expect_good_end()
            return grpc.aio.EOF
        data = self._messages.popleft()
        self._unread += len(data)
        if self._unread >= CREDIT and self._end is None:
            self._send(BridgePart(call=self._number, credit=self._unread))
            self._unread = 0
        return self._decode(data)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """What the core said before its first message."""
        while not self._begun and self._end is None:
            await self._next_news()
        return grpc.aio.Metadata(*self._head)

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """What the core said at the end."""
        while self._end is None:
            await self._next_news()
        return _metadata(self._end)

    def cancel(self) -> bool:
        """Ends the call as one who hangs up. Whether there was anything to end."""
        return self.end(LEFT)

    def end(self, end: CallEnd) -> bool:
        """Ends the call from this side. Whether it was open."""
        if self._end is not None:
            return False
        self._send(BridgePart(call=self._number, cancel=True))
        self.finish(end)
        return True

    def take(self, part: CorePart) -> None:
        """Takes what the core says about the call."""
        if not self._begun:
            self._begun, self._head = True, _pairs(part.head)
        if part.HasField("message"):
            self._messages.append(part.message)
        if part.HasField("end"):
            self.finish(part.end)
        self._wake()

    def finish(self, end: CallEnd) -> None:
        """Takes the end as it is."""
        if self._end is not None:
            return
        self._end = end
        self._forget(self._number)
        if self.timer is not None:
            self.timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _next_news(self) -> asyncio.Future[None]:
        self._news = self._loop.create_future()
        return self._news

    async def _answer(self) -> T:
        try:
            while self._end is None:
                await self._next_news()
        except asyncio.CancelledError:
            self.cancel()
            raise
        self._expect_good_end()
        return self._decode(self._messages[0])

    def _expect_good_end(self) -> None:
        end = self._end
        if end is not None and end.status:
            code = _STATUS.get(end.status, grpc.StatusCode.UNKNOWN)
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(*self._head), _metadata(end), end.message)


def _metadata(end: CallEnd | None) -> grpc.aio.Metadata:
    return grpc.aio.Metadata(*(() if end is None else _pairs(end.metadata)))


def _pairs(entries: Iterable[MetadataEntry]) -> Pairs:
    return tuple((entry.name, entry.data or entry.text) for entry in entries)
