"""The calls of one bridge, each before the same gate and servicers as a plain one, however its parts get here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc

from bridge_link.parts import CREDIT, END, HEAD, MESSAGE, OPEN, Pairs, Say, credit_in, end, head, read_opening
from service.runner.flow import Flow

WINDOW: Final = 16 * 1024
"""Bytes of one call's messages that may be on their way to a reader that has not read them; two of a replay."""

# Quoted: only the type stubs know that they are generic.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Metadata: TypeAlias = tuple[tuple[str, str], ...]
_Status: TypeAlias = tuple[int, str]
_Refusal: TypeAlias = tuple[grpc.StatusCode, str]
_GOOD: Final = (grpc.StatusCode.OK.value[0], "")

log = logging.getLogger(__name__)


class Calls:
    """The calls of one bridge; `say` takes what there is to say about them.

    `rpcs` may be called, with messages of `largest` bytes, at most `most` at a time. `over` is set when no more calls
    are taken and none is left.
    """

    def __init__(self, rpcs: Mapping[str, Handler], say: Say, *, largest: int, most: int) -> None:
        self.over = asyncio.Event()
        self._rpcs = rpcs
        self._say = say
        self._largest = largest
        self._most = most
        self._open: dict[int, _Call] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._retiring = False
        self._loop = asyncio.get_running_loop()

    def take(self, call: int, kind: int, data: bytes) -> None:
        """Takes what the bridge says. Raises ValueError where that can't be understood."""
        if kind == OPEN:
            self._begin(call, *read_opening(data))
        elif (opened := self._open.get(call)) is None:
            return  # It has ended meanwhile.
        elif kind == CREDIT:
            opened.credit(credit_in(data))
        else:
            # Forgotten at once: a task that never began can't say that it ended, and would keep its call for ever.
            self._forget(call)
            self._stop(opened)

    def retire(self) -> None:
        """Takes no more calls."""
        self._retiring = True
        if not self._open:
            self.over.set()

    def lose(self) -> None:
        """The bridge is gone: takes no more calls, and ends those that are open."""
        for call in self._open.values():
            self._stop(call)
        self._open.clear()
        self.retire()

    async def close(self) -> None:
        """Takes no more calls, and ends those that are open."""
        self.lose()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _begin(self, number: int, method: str, metadata: Metadata, request: bytes) -> None:
        handler = self._rpcs.get(method)
        refusal = self._refusal(number, handler, len(request))
        if refusal is not None:
            self._say(number, END, end(*_said(*refusal)))
            return
        call = self._open[number] = _Call(number, metadata, self._say, self._forget, self._largest)
        # As create_task does it, which makes each a name of its own first.
        call.task = asyncio.Task(call.run(handler, request), loop=self._loop, name=method)

    def _stop(self, call: _Call) -> None:
        # A task of which only its call knows may be thrown away: this one has to be waited for, too.
        self._ending.add(call.task)
        call.task.add_done_callback(self._ending.discard)
        call.stop()

    def _refusal(self, number: int, handler: Handler | None, size: int) -> _Refusal | None:
        if self._retiring:
            return grpc.StatusCode.UNAVAILABLE, "The core is going down."
        if handler is None:
            return grpc.StatusCode.UNIMPLEMENTED, "There is no such RPC."
        if number in self._open or len(self._open) >= self._most:
            return grpc.StatusCode.RESOURCE_EXHAUSTED, "The bridge has too many calls open."
        return _too_large("request", self._largest) if size > self._largest else None

    def _forget(self, number: int) -> None:
        self._open.pop(number, None)
        if self._retiring and not self._open:
            self.over.set()


class _Call:
    """One call, and what its servicer sees of gRPC."""

    task: asyncio.Task[None]
    _status: _Status = _GOOD
    _trailing: Pairs = ()
    _unread = 0
    _room: asyncio.Future[None] | None = None
    _flow: Flow | None = None
    _stopped = False

    def __init__(self, number: int, metadata: Metadata, say: Say, forget: Callable[[int], None], largest: int) -> None:
        self._number = number
        self._metadata = metadata
        self._say = say
        self._forget = forget
        self._largest = largest

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
        self._status = _said(code, details)
        if trailing_metadata:
            self._trailing = trailing_metadata
        raise grpc.aio.AbortError("The call was aborted.")

    async def pass_on(self, flow: Flow) -> None:
        """Sends what a log says, to its end: as soon as it is shown, and as far as there is room."""
        over: asyncio.Future[None] = self.task.get_loop().create_future()
        self._flow = flow

        def take(message: bytes) -> bool:
            if len(message) <= self._largest:
                return self._send(message)
            if not over.done():
                over.set_exception(self._too_large())
            return False

        flow.begin(take, lambda: None if over.done() else over.set_result(None))
        try:
            await over
        finally:
            self._flow = None
            flow.leave()

    def credit(self, size: int) -> None:
        """Counts bytes as read."""
        self._unread = max(0, self._unread - size)
        if self._unread >= WINDOW:
            return
        if self._flow is not None:
            self._flow.go_on()
        elif self._room is not None and not self._room.done():
            self._room.set_result(None)

    def stop(self) -> None:
        """Ends the call as its caller does who hangs up."""
        self._stopped = True
        self.task.cancel()
        del self.task

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
            self._status = _said(grpc.StatusCode.CANCELLED)
        except Exception:
            log.exception("a call failed by a bug")
            self._status = _said(grpc.StatusCode.UNKNOWN)
        finally:
            self._say(self._number, END, end(*self._status, self._trailing))
            if not self._stopped:
                self._forget(self._number)

    async def _stream(self, messages: AsyncGenerator[Any, None], serialize: Any) -> None:
        async with aclosing(messages):
            async for message in messages:
                room = self._send(self._fitting(message if isinstance(message, bytes) else serialize(message)))
                if not room:
                    self._room = self.task.get_loop().create_future()
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
        self._status = _said(*_too_large("answer", self._largest))
        return grpc.aio.AbortError("The answer is too large.")


def _said(code: grpc.StatusCode, why: str = "") -> _Status:
    """As an END says it."""
    return code.value[0], why


def _too_large(what: str, most: int) -> _Refusal:
    return grpc.StatusCode.RESOURCE_EXHAUSTED, f"The {what} has more than {most} bytes."
