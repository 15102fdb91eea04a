"""The bridge's own door: all calls of one bridge over one stream, or handed over where it is in this process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import grpc
from nodexa.v1.bridge_service_pb2 import BridgeFrame, CoreFrame, CorePart
from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceServicer

from service.rpc.hop_call import Calls, Handler, Send

FRAME_BYTES: Final = 512 * 1024
"""A frame that holds as much takes no more parts."""
FRAME_SLACK: Final = 64 * 1024
"""What may stand beside the largest message in its frame."""
HELLO: Final = ("x-nodexa-bridge", "2")
"""Tells a bridge that its stream is open, and which form it has."""

# Quoted: only the type stubs know that it is generic.
Connection: TypeAlias = "grpc.aio.ServicerContext[BridgeFrame, CoreFrame]"


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
        self._hops: set[_Hop | Calls] = set()

    # A coroutine that writes, not a generator: what is ready then travels together.
    async def Connect(self, request_iterator: Any, context: Connection) -> None:  # type: ignore[override]
        hop = _Hop(self, context)
        self._hops.add(hop)
        try:
            await hop.run()
        finally:
            self._hops.discard(hop)

    def calls(self, send: Send) -> Calls:
        """The calls of one more bridge."""
        return Calls(self._rpcs, send, largest=self._max_message_bytes - FRAME_SLACK, most=self._most)

    def join(self, tell: Send) -> Calls:
        """For a bridge in this process: what it says goes to `take` of what is returned, and `tell` is told at once."""

        def send(part: CorePart) -> None:
            if part.HasField("end"):
                calls.forget(part.call)
            tell(part)

        calls = self.calls(send)
        self._hops.add(calls)
        return calls

    def retire(self) -> None:
        """Takes no more calls; each stream ends behind those that run."""
        for hop in self._hops:
            hop.retire()


class _Hop:
    """One stream. Parts wait in `_outbox`: at most a window and a message a call."""

    def __init__(self, servicer: BridgeServicer, connection: Connection) -> None:
        self._connection = connection
        self._calls = servicer.calls(self._send)
        self._outbox: deque[CorePart] = deque()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        tasks = (asyncio.create_task(self._read()), asyncio.create_task(self._write()))
        try:
            await self._connection.send_initial_metadata((HELLO,))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._calls.close()

    def retire(self) -> None:
        self._calls.retire()
        self._ready.set()

    def _send(self, part: CorePart) -> None:
        self._outbox.append(part)
        self._ready.set()

    async def _read(self) -> None:
        # At the end it is EOF, and no frame.
        while isinstance(frame := await self._connection.read(), BridgeFrame):
            for part in frame.parts:
                self._calls.take(part)

    async def _write(self) -> None:
        while self._calls or self._outbox or not self._calls.retiring:
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
                self._calls.forget(part.call)
        return parts
