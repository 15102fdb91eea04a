"""Calls to the core that need none of gRPC's, as those who make them see them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import grpc

from bridge_link.parts import CANCEL, CREDIT, END, HEAD, MESSAGE, OPEN, Say, credit, opening, read_end, read_head
from bridge_link.patience import Patience

CREDITED: Final = 8 * 1024
"""So many bytes of messages are read before the core is told that it may send as many more."""

T = TypeVar("T")
Read = Callable[[bytes], T]
Metadata = Sequence[tuple[str, str]]
Pairs = tuple[tuple[str, str | bytes], ...]
End = tuple[int, str, Pairs]
_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}

_GOOD_END: Final = b"[0,"

GOOD: Final[End] = (0, "", ())
LOST: Final[End] = (grpc.StatusCode.UNAVAILABLE.value[0], "The connection to the core was lost.", ())
LATE: Final[End] = (grpc.StatusCode.DEADLINE_EXCEEDED.value[0], "The core did not answer in time.", ())
LEFT: Final[End] = (grpc.StatusCode.CANCELLED.value[0], "The call was cancelled.", ())


class Calls:
    """The calls that are open; `say` takes what there is to say about them. `lost` says that the core is gone."""

    def __init__(self, say: Say) -> None:
        self.lost = False
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, HopCall[Any]] = {}
        self._last = 0
        self._patience: dict[float, Patience[int]] = {}

    def begin(
        self, method: str, request: bytes, read: Read[T], *, metadata: Metadata, timeout: float | None
    ) -> HopCall[T]:
        """Begins a call that fails after `timeout` seconds."""
        self._last = number = self._last + 1
        call = self._open[number] = HopCall(number, read, say=self._say, forget=self._open.pop, loop=self._loop)
        if timeout is not None:
            call.patience = self._patience.get(timeout) or self._patient(timeout)
            call.patience.begin(number)
        self._say(number, OPEN, opening(method, metadata, request))
        return call

    def take(self, call: int, kind: int, data: bytes) -> None:
        """Takes what the core says. Raises ValueError where that can't be understood."""
        if (opened := self._open.get(call)) is not None:
            opened.take(kind, data)

    def lose(self) -> None:
        """The core is gone: all of them have failed."""
        self.lost = True
        for call in list(self._open.values()):
            call.finish(LOST)
        for patience in self._patience.values():
            patience.stop()

    def _patient(self, timeout: float) -> Patience[int]:
        # As many as there are different times in the settings.
        return self._patience.setdefault(timeout, Patience(self._loop, timeout, self._end_late))

    def _end_late(self, number: int) -> None:
        if (call := self._open.get(number)) is not None:
            call.end(LATE)


class HopCall(Generic[T]):
    """One call, with those methods of gRPC's own calls that are used here. One task reads it."""

    patience: Patience[int] | None = None

    def __init__(
        self,
        number: int,
        read: Read[T],
        *,
        say: Say,
        forget: Callable[[int], Any],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._number = number
        self._say = say
        self._forget = forget
        self._decode = read
        self._head: Pairs = ()
        self._messages: deque[bytes] = deque()
        self._taker: Callable[[bytes], bool] | None = None
        self._unread = 0
        self._begun = False
        self._end: End | None = None
        self._loop = loop
        self._news: asyncio.Future[None] | None = None

    def offer(self, taker: Callable[[bytes], bool]) -> None:
        """Has each message that comes while one waits to read it given to `taker` first, which says whether it took it.

        It is given as it came, serialized. What it takes is not read, and wakes nobody.
        """
        self._taker = taker

    def __await__(self) -> Generator[Any, None, T]:
        try:
            while self._end is None:
                yield from self._next_news()
        except asyncio.CancelledError:
            self.cancel()
            raise
        self._expect_good_end()
        return self._decode(self._messages[0])

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
        if (read := self._counted(len(data))) and self._end is None:
            self._say(self._number, CREDIT, credit(read))
        return self._decode(data)

    def head(self) -> Pairs:
        """What the core said before its first message, once that is here."""
        return self._head

    async def initial_metadata(self) -> Pairs:
        """The same, from the beginning."""
        while not self._begun and self._end is None:
            await self._next_news()
        return self._head

    def cancel(self) -> bool:
        """Ends the call as one who hangs up. Whether there was anything to end."""
        return self.end(LEFT)

    def end(self, end: End) -> bool:
        """Ends the call from this side. Whether it was open."""
        if self._end is not None:
            return False
        self._say(self._number, CANCEL, b"")
        self.finish(end)
        return True

    def take(self, kind: int, data: bytes) -> None:
        """Takes what the core says about the call. Raises ValueError where that can't be understood."""
        self._begun = True
        if kind == MESSAGE:
            if self._taken(data):
                return
            self._messages.append(data)
        elif kind == END:
            # What stands beside a good end is of no use here.
            self.finish(GOOD if data.startswith(_GOOD_END) else read_end(data))
        elif kind == HEAD:
            self._head = read_head(data)
        self._wake()

    def finish(self, end: End) -> None:
        """Takes the end as it is."""
        if self._end is not None:
            return
        self._end = end
        # Who takes from it knows it: together they would wait for the garbage collector.
        self._taker = None
        self._forget(self._number)
        if self.patience is not None:
            self.patience.forget(self._number)
        self._wake()

    def _taken(self, data: bytes) -> bool:
        if self._taker is None or self._messages or self._news is None or self._news.done():
            return False
        try:
            taken = self._taker(data)
        except Exception:  # noqa: BLE001 - who reads it meets the same, where it can be told
            return False
        if taken and (read := self._counted(len(data))):
            # Not from in here: a core in this process is about to count what it says, and would say the next thing.
            self._loop.call_soon(self._say, self._number, CREDIT, credit(read))
        return taken

    def _counted(self, size: int) -> int:
        """Counts bytes as read; returns for how many it is time to tell the core so."""
        self._unread += size
        if self._unread < CREDITED:
            return 0
        read, self._unread = self._unread, 0
        return read

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _next_news(self) -> asyncio.Future[None]:
        self._news = self._loop.create_future()
        return self._news

    def _expect_good_end(self) -> None:
        end = self._end
        if end is not None and end[0]:
            code = _STATUS.get(end[0], grpc.StatusCode.UNKNOWN)
            raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(*self._head), _metadata(end), end[1])


def _metadata(end: End | None) -> grpc.aio.Metadata:
    return grpc.aio.Metadata(*(() if end is None else end[2]))
