"""The quick way to the core: every call over one connection, and plain calls where that is not open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

import grpc

from bridge_link.link import SLACK, Link
from bridge_link.stream import METHOD, Stream
from rest_bridge.hop_call import Calls, Metadata, Read

PAUSES: Final = (0.02, 0.1, 0.5, 5.0, 30.0)
"""Seconds between two connections, by how many came to nothing before: an older core knows of none."""
SHORT_TRIES: Final = 500
"""So often the socket is tried after the shortest pause: a core that was killed is soon there again."""

T = TypeVar("T")
Write = Callable[[Any], bytes]

log = logging.getLogger(__name__)


class Hop:
    """Stands where stubs want a channel. Connects by itself, as often as needed.

    It does so to the socket at `path`, or over the channel where there is none. `open` is set while there is a
    connection; `carried` counts the calls that went over it. A request of more than `max_message_bytes`, and what
    stands beside it, goes by itself, and is refused there.
    """

    def __init__(self, channel: grpc.aio.Channel, path: str, *, max_message_bytes: int) -> None:
        self.open = asyncio.Event()
        self.carried = 0
        self._channel = channel
        self._path = path
        self._most = max_message_bytes
        self._calls: Calls | None = None
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
        """Ends the connection, and the calls on it."""
        self._keeper.cancel()
        await asyncio.wait((self._keeper,))

    def _caller(self, plain: Callable[..., Any], method: str, write: Write, read: Read[T]) -> Callable[..., Any]:
        largest = self._most - SLACK

        def call(request: Any, *, metadata: Metadata, timeout: float | None = None) -> Any:
            data, calls = write(request), self._calls
            if calls is None or calls.lost or len(data) > largest:
                return plain(data, metadata=metadata, timeout=timeout)
            self.carried += 1
            return calls.begin(method, data, read, metadata=metadata, timeout=timeout)

        return call

    async def _keep(self) -> None:
        tries = failures = 0
        while True:
            try:
                failures = 0 if await self._connected() else failures + 1
                tries = 0
            except OSError as error:
                tries += 1
                log.debug("no connection to the core: %s", error)
            await asyncio.sleep(PAUSES[min(failures + (tries > SHORT_TRIES), len(PAUSES) - 1)])

    async def _connected(self) -> bool:
        """Carries calls until the connection ends. Whether it came to anything. Raises OSError where nobody listens."""
        loop = asyncio.get_running_loop()
        if not self._path:
            return await self._streamed()
        _, link = await loop.create_unix_connection(lambda: Link(Calls, most=self._most), self._path)
        try:
            return await self._attended(link)
        finally:
            link.abort()

    async def _streamed(self) -> bool:
        await self._channel.channel_ready()
        opened: Any = self._channel.stream_stream(METHOD)()
        link = Link(Calls, most=self._most)
        carrying = asyncio.create_task(Stream(opened, link).run())
        try:
            return await self._attended(link)
        finally:
            opened.cancel()
            carrying.cancel()
            await asyncio.wait((carrying,))

    async def _attended(self, link: Link[Calls]) -> bool:
        try:
            if greeted := await link.greeted:
                self._calls = link.joined
                self.open.set()
            await link.over.wait()
            return greeted
        finally:
            self._calls = None
            self.open.clear()
