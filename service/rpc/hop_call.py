"""A call of a bridge, and what its servicer sees of gRPC: it says its messages and its end part by part."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import grpc

from bridge_link.parts import END, HEAD, MESSAGE, Pairs, Say, end, head
from service.runner.flow import Flow, Take

WINDOW: Final = 8 * 1024
"""Bytes of one call's messages that may be on their way to a reader that has not read them; two of a replay."""

# Quoted: only the type stubs know that they are generic.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata: TypeAlias = tuple[tuple[str, str], ...]
Status: TypeAlias = tuple[int, str]
Refusal: TypeAlias = tuple[grpc.StatusCode, str]
_GOOD: Final = (grpc.StatusCode.OK.value[0], "")
_GOOD_END: Final = end(*_GOOD)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """What all calls of one bridge share: what they `say`, to whom, how they are forgotten, the largest message."""

    say: Say
    forget: Callable[[int], None]
    largest: int
    loop: asyncio.AbstractEventLoop


class BridgeCall:
    """One call, and what its servicer sees of gRPC.

    One that has no task has `left` called where its caller hangs up, and is over with its `answer`.
    """

    left: Callable[[], None] | None = None
    _task: asyncio.Task[None] | None = None
    _status: Status = _GOOD
    _trailing: Pairs = ()
    _unread = 0
    _room: asyncio.Future[None] | None = None
    _flow: Flow | None = None
    _stopped = False

    def __init__(self, number: int, method: str, metadata: Metadata, line: Line) -> None:
        self._method = method
        self._number = number
        self._metadata = metadata
        self._say = line.say
        self._forget = line.forget
        self._largest = line.largest
        self._loop = line.loop

    def begin(self, handler: Handler, request: bytes) -> None:
        """Has a task play the call to its end."""
        self.left = self._flow = None
        # As create_task does it, which asks for the loop.
        self._task = asyncio.Task(self.run(handler, request), loop=self._loop, name=self._method)

    def answer(self, message: bytes) -> None:
        """Ends a call without a task, with its one message."""
        self.left = None
        if len(message) <= self._largest:
            self._say(self._number, MESSAGE, message)
        else:
            self._status = said(*too_large("answer", self._largest))
        self._end()

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The metadata that came with the call."""
        return self._metadata

    async def send_initial_metadata(self, metadata: Pairs) -> None:
        """Sends what stands before the first message."""
        self._say(self._number, HEAD, head(metadata))

    def set_trailing_metadata(self, metadata: Pairs) -> None:
        """Says what stands behind the last message."""
        self._trailing = metadata

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Pairs = ()) -> NoReturn:
        """Ends the call with an error."""
        self._status = said(code, details)
        if trailing_metadata:
            self._trailing = trailing_metadata
        raise grpc.aio.AbortError("The call was aborted.")

    async def pass_on(self, flow: Flow) -> None:
        """Sends what a log says, to its end: as soon as it is shown, and as far as there is room."""
        over: asyncio.Future[None] = self._loop.create_future()
        self._flow = flow
        take = self._taking(lambda: None if over.done() else over.set_exception(self._too_large()))
        flow.begin(take, lambda: None if over.done() else over.set_result(None))
        try:
            await over
        finally:
            self._flow = None
            flow.leave()

    def pass_at_once(self, flow: Flow, end: Callable[[], None]) -> None:
        """`pass_on` in a call without a task: `end` is called behind the last message."""
        self._flow = flow
        flow.begin(self._taking(lambda: self._break(too_large("answer", self._largest))), end)

    def _taking(self, refuse: Callable[[], None]) -> Take:
        """Takes messages of a flow; `refuse` is called for one that is too large."""
        say, number, largest = self._say, self._number, self._largest

        def take(message: bytes) -> bool:
            size = len(message)
            if size > largest:
                refuse()
                return False
            # As `_send` does, without a call of its own for each token.
            self._unread += size
            say(number, MESSAGE, message)
            return self._unread < WINDOW

        return take

    def end(self) -> None:
        """Ends a call without a task, whose messages were all passed on."""
        self.left = self._flow = None
        self._end()

    def credit(self, size: int) -> None:
        """Counts bytes as read."""
        self._unread = max(0, self._unread - size)
        if self._unread >= WINDOW:
            return
        if self._flow is not None:
            self._flow.go_on()
        elif self._room is not None and not self._room.done():
            self._room.set_result(None)

    def stop(self) -> asyncio.Task[None] | None:
        """Ends the call as its caller does who hangs up; returns the task that ends it, if there is one."""
        self._stopped = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        else:
            self._break((grpc.StatusCode.CANCELLED, ""))
        return task

    def _break(self, why: Refusal) -> None:
        """Ends a call without a task, if it isn't over, as nobody meant it to end."""
        left, self.left = self.left, None
        if left is not None:
            left()
            self._flow = None
            self._status = said(*why)
            self._end()

    async def run(self, handler: Any, request: bytes) -> None:
        """Plays the call to its end, and says how it ended."""
        try:
            read = handler.request_deserializer
            message = request if read is None else read(request)
            if handler.unary_stream is not None:
                await self._stream(handler.unary_stream(message, self), handler.response_serializer)
            else:
                answer = handler.response_serializer(await handler.unary_unary(message, self))
                self._say(self._number, MESSAGE, self._fitting(answer))
        except grpc.aio.AbortError:
            pass
        except asyncio.CancelledError:
            # Not passed on: a task that keeps an exception keeps all that the exception has seen.
            self._status = said(grpc.StatusCode.CANCELLED)
        except Exception:
            log.exception("a call failed by a bug")
            self._status = said(grpc.StatusCode.UNKNOWN)
        finally:
            self._end()

    def _end(self) -> None:
        # What stands beside a good end is of no use to a bridge.
        told = _GOOD_END if self._status is _GOOD else end(*self._status, self._trailing)
        self._say(self._number, END, told)
        if not self._stopped:
            self._forget(self._number)

    async def _stream(self, messages: AsyncGenerator[Any, None], serialize: Any) -> None:
        async with aclosing(messages):
            async for message in messages:
                room = self._send(self._fitting(message if isinstance(message, bytes) else serialize(message)))
                if not room:
                    self._room = self._loop.create_future()
                    await self._room

    def _send(self, message: bytes) -> bool:
        """Whether there is room for another one now."""
        # First: who reads at once says so at once.
        self._unread += len(message)
        self._say(self._number, MESSAGE, message)
        return self._unread < WINDOW

    def _fitting(self, data: bytes) -> bytes:
        if len(data) <= self._largest:
            return data
        raise self._too_large()

    def _too_large(self) -> grpc.aio.AbortError:
        self._status = said(*too_large("answer", self._largest))
        return grpc.aio.AbortError("The answer is too large.")


def said(code: grpc.StatusCode, why: str = "") -> Status:
    """As an END says it."""
    return code.value[0], why


def too_large(what: str, most: int) -> Refusal:
    return grpc.StatusCode.RESOURCE_EXHAUSTED, f"The {what} has more than {most} bytes."
