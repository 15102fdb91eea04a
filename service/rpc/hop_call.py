"""The calls of one bridge, each before the same gate and servicers as a plain one, however its parts get here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from nodexa.v1.bridge_service_pb2 import BridgePart, CallEnd, CorePart, MetadataEntry, OpenCall

WINDOW: Final = 16 * 1024
"""Bytes of one call's messages that may be on their way to a reader that has not read them; two of a replay."""

# Quoted: only the type stubs know that they are generic.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Pairs = Iterable[tuple[str, str | bytes]]
Send = Callable[[CorePart], None]

log = logging.getLogger(__name__)


class Calls:
    """The calls of one bridge; `send` takes what there is to say about them.

    `rpcs` may be called, with messages of `largest` bytes, at most `most` at a time.
    """

    def __init__(self, rpcs: Mapping[str, Handler], send: Send, *, largest: int, most: int) -> None:
        self._rpcs = rpcs
        self._send = send
        self._largest = largest
        self._most = most
        self._open: dict[int, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.retiring = False

    def __len__(self) -> int:
        return len(self._open)

    def take(self, part: BridgePart) -> None:
        """Takes what the bridge says."""
        kind = part.WhichOneof("kind")
        if kind == "open":
            self._begin(part.call, part.open)
        elif (call := self._open.get(part.call)) is None:
            return  # It has ended meanwhile.
        elif kind == "credit":
            call.credit(part.credit)
        else:
            # Forgotten at once: a task that never began can't say that it ended, and would keep its call for ever.
            del self._open[part.call]
            call.task.cancel()
            del call.task

    def forget(self, number: int) -> None:
        """The end of the call is on its way."""
        self._open.pop(number, None)

    def retire(self) -> None:
        """Takes no more calls."""
        self.retiring = True

    async def close(self) -> None:
        """Takes no more calls, and ends those that are open."""
        self.retire()
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, number: int, opened: OpenCall) -> None:
        handler = self._rpcs.get(opened.method)
        if self.retiring or handler is None or number in self._open or len(self._open) >= self._most:
            self._send(CorePart(call=number, end=_refusal(retiring=self.retiring, known=handler is not None)))
            return
        if len(opened.request) > self._largest:
            self._send(CorePart(call=number, end=_too_large("request", self._largest)))
            return
        call = _Call(self._send, number, opened.metadata, largest=self._largest)
        self._open[number] = call
        call.task = asyncio.create_task(call.run(handler, opened.request))
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)


class _Call:
    """One call, and what its servicer sees of gRPC."""

    task: asyncio.Task[None]

    def __init__(self, send: Send, number: int, metadata: Iterable[MetadataEntry], *, largest: int) -> None:
        self._send = send
        self._number = number
        self._metadata = tuple((entry.name, entry.data or entry.text) for entry in metadata)
        self._largest = largest
        self._end = CallEnd()
        self._unread = 0
        self._room = asyncio.Event()

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """The metadata that came with the call."""
        return self._metadata

    async def send_initial_metadata(self, metadata: Pairs) -> None:
        """Sends what stands before the first message."""
        self._send(CorePart(call=self._number, head=_entries(metadata)))

    def set_trailing_metadata(self, metadata: Pairs) -> None:
        """Says what stands behind the last message."""
        del self._end.metadata[:]
        self._end.metadata.extend(_entries(metadata))

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Pairs = ()) -> NoReturn:
        """Ends the call with an error."""
        self._end.status, self._end.message = code.value[0], details
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        raise grpc.aio.AbortError("The call was aborted.")

    def credit(self, size: int) -> None:
        """Counts bytes as read."""
        self._unread = max(0, self._unread - size)
        if self._unread < WINDOW:
            self._room.set()

    async def run(self, handler: Any, request: bytes) -> None:
        """Plays the call to its end, and says how it ended."""
        last: bytes | None = None
        try:
            read = handler.request_deserializer
            message = request if read is None else read(request)
            if handler.unary_stream is not None:
                await self._stream(handler.unary_stream(message, self), handler.response_serializer)
            else:
                last = self._fitting(handler.response_serializer(await handler.unary_unary(message, self)))
        except grpc.aio.AbortError:
            last = None
        except asyncio.CancelledError:
            # Not passed on: a task that keeps an exception keeps all that the exception has seen.
            self._end.status = grpc.StatusCode.CANCELLED.value[0]
        except Exception:
            log.exception("a call failed by a bug")
            self._end.status = grpc.StatusCode.UNKNOWN.value[0]
        finally:
            self._send(CorePart(call=self._number, message=last, end=self._end))

    async def _stream(self, messages: AsyncGenerator[Any, None], serialize: Any) -> None:
        async with aclosing(messages):
            async for message in messages:
                data = self._fitting(message if isinstance(message, bytes) else serialize(message))
                self._send(CorePart(call=self._number, message=data))
                self._unread += len(data)
                while self._unread >= WINDOW:
                    self._room.clear()
                    await self._room.wait()

    def _fitting(self, data: bytes) -> bytes:
        if len(data) <= self._largest:
            return data
        self._end.MergeFrom(_too_large("answer", self._largest))
        raise grpc.aio.AbortError("The answer is too large.")


def _entries(pairs: Pairs) -> list[MetadataEntry]:
    return [
        MetadataEntry(name=name, data=value) if isinstance(value, bytes) else MetadataEntry(name=name, text=value)
        for name, value in pairs
    ]


def _refusal(*, retiring: bool, known: bool) -> CallEnd:
    if retiring:
        return CallEnd(status=grpc.StatusCode.UNAVAILABLE.value[0], message="The core is going down.")
    if not known:
        return CallEnd(status=grpc.StatusCode.UNIMPLEMENTED.value[0], message="There is no such RPC.")
    return CallEnd(status=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="The bridge has too many calls open.")


def _too_large(what: str, most: int) -> CallEnd:
    return CallEnd(
        status=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message=f"The {what} has more than {most} bytes."
    )
