"""The way to a core in this process: calls and answers are handed over, without a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import grpc

from bridge_link.parts import Say
from rest_bridge.hop_call import Calls, HopCall, Metadata, Read

T = TypeVar("T")
Write = Callable[[Any], bytes]


class Joined(Protocol):
    """The core's side."""

    def take(self, call: int, kind: int, data: bytes) -> None:
        """Takes what the bridge says, at once."""

    async def close(self) -> None:
        """Takes no more calls, and ends those that are open."""


class Local:
    """Stands where stubs want a channel. The core, which `join` joins, is there from the beginning to the end."""

    def __init__(self, join: Callable[[Say], Joined]) -> None:
        self._joined = join(self._take)
        self._calls = Calls(self._joined.take)
        self._open = asyncio.Event()
        self._open.set()
        # It makes calls as a channel does.
        self.channel = cast(grpc.aio.Channel, self)

    def unary_unary(
        self, method: str, request_serializer: Write, response_deserializer: Read[T], **_: Any
    ) -> Callable[..., HopCall[T]]:
        """What makes calls of `method`, with one answer or many."""

        def call(request: Any, *, metadata: Metadata, timeout: float | None = None) -> HopCall[T]:
            data = request_serializer(request)
            return self._calls.begin(method, data, response_deserializer, metadata=metadata, timeout=timeout)

        return call

    unary_stream = unary_unary

    def connected(self) -> bool:
        """Whether it is joined still."""
        return self._open.is_set()

    async def ready(self) -> None:
        """Returns at once, or never."""
        await self._open.wait()

    async def serving(self, *, timeout: float) -> bool:
        """Whether it is joined still: the core leaves after its bridge."""
        return self._open.is_set()

    async def close(self) -> None:
        """Ends the calls that are open, on both sides."""
        self._open.clear()
        await self._joined.close()
        self._calls.lose()

    def _take(self, call: int, kind: int, data: bytes) -> None:
        self._calls.take(call, kind, data)
