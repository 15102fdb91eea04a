"""A load: so many connections, each sending its next request as soon as the last one is answered."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

import httptools


@dataclass(slots=True)
class Measured:
    """What one load saw. Times are seconds."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)
    events: int = 0
    errors: int = 0


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, measured: Measured, until: float, done: asyncio.Future[None]) -> None:
        self._request = request
        self._measured = measured
        self._until = until
        self._done = done
        self._spoke = self._finished = False
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._measured.events += data.count(b"event: ")
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._measured.errors += not self._finished
            self._done.set_result(None)

    def on_body(self, body: bytes) -> None:
        if b"output_text.delta" in body and not self._spoke:
            self._spoke = True
            self._measured.first_bytes.append(time.perf_counter() - self._started)

    def on_message_complete(self) -> None:
        self._measured.latencies.append(time.perf_counter() - self._started)
        self._measured.errors += self._parser.get_status_code() != 200
        self._finished = time.perf_counter() >= self._until
        if self._finished:
            self._transport.close()
        else:
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._spoke = self._finished = False
        self._started = time.perf_counter()
        self._transport.write(self._request)


async def run(port: int, request: bytes, *, connections: int, seconds: float) -> Measured:
    """Keeps `connections` busy for `seconds`, then lets the last requests end."""
    loop = asyncio.get_running_loop()
    measured = Measured()
    until = time.perf_counter() + seconds
    waiting = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)

        def client(done: asyncio.Future[None] = done) -> _Client:
            return _Client(request, measured, until, done)

        await loop.create_connection(client, "127.0.0.1", port)
    await asyncio.gather(*waiting)
    return measured
