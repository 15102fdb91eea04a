"""The bridge's own door: all calls of one bridge over one stream, through the same gate and the same servicers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from nodexa.v1.bridge_service_pb2 import BridgeFrame, BridgePart, CallEnd, CoreFrame, CorePart, MetadataEntry, OpenCall
from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceServicer

WINDOW: Final = 16 * 1024
"""Bytes of one call's messages that may be on their way to a reader that has not read them; two of a replay."""
FRAME_BYTES: Final = 512 * 1024
"""A frame that holds as much takes no more parts."""
FRAME_SLACK: Final = 64 * 1024
"""What may stand beside the largest message in its frame."""
HELLO: Final = ("x-nodexa-bridge", "1")
"""Tells a bridge that its stream is open, and which form it has."""

# Quoted: only the type stubs know that they are generic.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Connection: TypeAlias = "grpc.aio.ServicerContext[BridgeFrame, CoreFrame]"
Pairs = Iterable[tuple[str, str | bytes]]

log = logging.getLogger(__name__)


class Rpcs(dict[str, Handler]):
    """Collects the handlers of services by their methods, in the place of a server."""

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Nothing: the same handlers come with their names."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Takes the handlers of one service."""
        self.update({f"/{service}/{name}": handler for name, handler in handlers.items()})


class BridgeServicer(BridgeServiceServicer):
    """Answers bridges. `rpcs` are what they may call, each with the gate before it; at most `most` at a time each."""

    def __init__(self, rpcs: Mapping[str, Handler], *, max_message_bytes: int, most: int) -> None:
        self._rpcs = rpcs
        self._most = most
        self._max_message_bytes = max_message_bytes
        self._hops: set[_Hop] = set()

    # A coroutine that writes, not a generator: what is ready then travels together.
    async def Connect(self, request_iterator: Any, context: Connection) -> None:  # type: ignore[override]
        hop = _Hop(self._rpcs, context, largest=self._max_message_bytes - FRAME_SLACK, most=self._most)
        self._hops.add(hop)
        try:
            await hop.run()
        finally:
            self._hops.discard(hop)

    def retire(self) -> None:
        """Takes no more calls; each stream ends behind those that run."""
        for hop in self._hops:
            hop.retire()


class _Hop:
    """One stream. Parts wait in `_outbox`: at most a window and a message a call."""

    def __init__(self, rpcs: Mapping[str, Handler], connection: Connection, *, largest: int, most: int) -> None:
        self._rpcs = rpcs
        self._connection = connection
        self._largest = largest
        self._most = most
        self._calls: dict[int, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox: deque[CorePart] = deque()
        self._ready = asyncio.Event()
        self._retiring = False

    async def run(self) -> None:
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        try:
            await self._connection.send_initial_metadata((HELLO,))
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = [reading, writing, *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def retire(self) -> None:
        self._retiring = True
        self._ready.set()

    def send(self, part: CorePart) -> None:
        self._outbox.append(part)
        self._ready.set()

    async def _read(self) -> None:
        # At the end it is EOF, and no frame.
        while isinstance(frame := await self._connection.read(), BridgeFrame):
            for part in frame.parts:
                self._take(part)

    def _take(self, part: BridgePart) -> None:
        kind = part.WhichOneof("kind")
        if kind == "open":
            self._open(part.call, part.open)
        elif (call := self._calls.get(part.call)) is None:
            return  # It has ended meanwhile.
        elif kind == "credit":
            call.credit(part.credit)
        else:
            # Forgotten at once: a task that never began can't say that it ended, and would keep its call for ever.
            del self._calls[part.call]
            call.task.cancel()
            del call.task

    def _open(self, number: int, opened: OpenCall) -> None:
        handler = self._rpcs.get(opened.method)
        if self._retiring or handler is None or number in self._calls or len(self._calls) >= self._most:
            self.send(CorePart(call=number, end=_refusal(retiring=self._retiring, known=handler is not None)))
            return
        call = _Call(self, number, opened.metadata, largest=self._largest)
        self._calls[number] = call
        call.task = asyncio.create_task(call.run(handler, opened.request))
        self._tasks.add(call.task)
        call.task.add_done_callback(self._tasks.discard)

    async def _write(self) -> None:
        while self._calls or self._outbox or not self._retiring:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                await self._connection.write(CoreFrame(parts=self._next_frame()))

    def _next_frame(self) -> list[CorePart]:
        size, parts = 0, list[CorePart]()
        while self._outbox and (not parts or size + len(self._outbox[0].message) <= FRAME_BYTES):
            part = self._outbox.popleft()
            size += len(part.message)
            parts.append(part)
            if part.HasField("end"):
                self._calls.pop(part.call, None)
        return parts


class _Call:
    """One call, and what its servicer sees of gRPC."""

    task: asyncio.Task[None]

    def __init__(self, hop: _Hop, number: int, metadata: Iterable[MetadataEntry], *, largest: int) -> None:
        self._hop = hop
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
        self._hop.send(CorePart(call=self._number, head=_entries(metadata)))

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
            self._hop.send(CorePart(call=self._number, message=last, end=self._end))

    async def _stream(self, messages: AsyncGenerator[Any, None], serialize: Any) -> None:
        async with aclosing(messages):
            async for message in messages:
                data = self._fitting(message if isinstance(message, bytes) else serialize(message))
                self._hop.send(CorePart(call=self._number, message=data))
                self._unread += len(data)
                while self._unread >= WINDOW:
                    self._room.clear()
                    await self._room.wait()

    def _fitting(self, data: bytes) -> bytes:
        if len(data) <= self._largest:
            return data
        self._end.status = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        self._end.message = f"The answer has more than {self._largest} bytes."
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
