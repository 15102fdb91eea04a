"""The quick way to the core: every call over one stream, and plain calls where that is not open."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
from nodexa.v1.bridge_service_pb2 import BridgeFrame, BridgePart
from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceStub

from rest_bridge.hop_call import Calls, Metadata, Read

if TYPE_CHECKING:
    from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceAsyncStub

LARGEST: Final = 256 * 1024
"""Bytes of a request that goes with the others; a larger one would keep them waiting, and goes alone."""
PAUSES: Final = (0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds between two tries to open the stream, by how many failed before. An older core knows no such stream."""
HELLO: Final = ("x-nodexa-bridge", "2")
"""In the initial metadata of the stream: the core carries calls in this form."""

T = TypeVar("T")
Write = Callable[[Any], bytes]

log = logging.getLogger(__name__)


class Hop:
    """Stands where stubs want a channel. Opens the stream by itself, as often as needed.

    `open` is set while there is one; `carried` counts the calls that went over it.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.open = asyncio.Event()
        self.carried = 0
        self._channel = channel
        self._stub: BridgeServiceAsyncStub = BridgeServiceStub(channel)
        self._stream: _Stream | None = None
        self._keeper = asyncio.create_task(self._keep())

    def unary_unary(
        self, method: str, request_serializer: Write, response_deserializer: Read[T], **_: Any
    ) -> Callable[..., Any]:
        """What makes calls of `method` that have one answer."""
        plain: Callable[..., Any] = self._channel.unary_unary(method, response_deserializer=response_deserializer)
        return self._caller(plain, method, request_serializer, response_deserializer)

    def unary_stream(
        self, method: str, request_serializer: Write, response_deserializer: Read[T], **_: Any
    ) -> Callable[..., Any]:
        """What makes calls of `method` that have many answers."""
        plain: Callable[..., Any] = self._channel.unary_stream(method, response_deserializer=response_deserializer)
        return self._caller(plain, method, request_serializer, response_deserializer)

    async def close(self) -> None:
        """Ends the stream, and the calls on it."""
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))

    def _caller(self, plain: Callable[..., Any], method: str, write: Write, read: Read[T]) -> Callable[..., Any]:
        def call(request: Any, *, metadata: Metadata, timeout: float | None = None) -> Any:
            data, stream = write(request), self._stream
            if stream is None or len(data) > LARGEST:
                return plain(data, metadata=metadata, timeout=timeout)
            self.carried += 1
            return stream.calls.begin(method, data, read, metadata=metadata, timeout=timeout)

        return call

    async def _keep(self) -> None:
        failures = 0
        while True:
            await self._channel.channel_ready()
            opened: Any = self._stub.Connect()
            try:
                # An older core ends it without a word.
                if HELLO in ((name, value) for name, value in await opened.initial_metadata()):
                    failures = 0
                    self._stream = stream = _Stream(opened)
                    self.open.set()
                    await stream.run()
            except grpc.aio.AioRpcError as error:
                log.debug("no stream to the core: %s", error.code())
            finally:
                self._stream = None
                self.open.clear()
                opened.cancel()
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            failures += 1


class _Stream:
    """One stream while it lasts."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self.calls = Calls(self._send)
        self._outbox: deque[BridgePart] = deque()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Carries calls until the stream breaks; then those that are open have failed."""
        tasks = (asyncio.create_task(self._read()), asyncio.create_task(self._write()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Last, and nothing is waited for behind it: no call may come in between.
            self.calls.lose()

    def _send(self, part: BridgePart) -> None:
        self._outbox.append(part)
        self._ready.set()

    async def _read(self) -> None:
        while (frame := await self._opened.read()) is not grpc.aio.EOF:
            for part in frame.parts:
                self.calls.take(part)

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                size, parts = 0, []
                while self._outbox and size <= LARGEST:
                    parts.append(self._outbox.popleft())
                    size += len(parts[-1].open.request)
                await self._opened.write(BridgeFrame(parts=parts))
