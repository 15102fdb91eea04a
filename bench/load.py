"""A load: so many connections, each sending its next request as soon as the last one is answered."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

from bench.shape import STAMP, shape_of

PATIENCE: Final = 60.0
_DELTA: Final = b"output_text.delta"
_EVENT: Final = b"data: {"
_END: Final = b'"response.completed"'


@dataclass(slots=True)
class Measured:
    """What one load saw. Times are seconds; `added` is how much later than the model server's stamp a token came."""

    latencies: list[float] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    added: list[float] = field(default_factory=list)
    events: int = 0
    errors: int = 0
    error: str = ""
    seconds: float = 0.0


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, measured: Measured, until: float, done: asyncio.Future[None]) -> None:
        self._request = request
        self._measured = measured
        self._until = until
        self._done = done
        self._streaming = b'"stream":true' in request
        self._stamped = shape_of(request).stamped
        self._finished = self._spoke = self._ended = False
        self._rest = self._last = b""
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._streaming:
            self._read_events(data)
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            if not self._finished:
                self._fail(f"the connection was closed: {exc}")
            self._done.set_result(None)

    def on_body(self, body: bytes) -> None:
        if not self._streaming:
            self._last = body[-300:]

    def on_message_complete(self) -> None:
        self._measured.latencies.append(time.perf_counter() - self._started)
        if self._parser.get_status_code() != 200:
            self._fail(f"{self._parser.get_status_code()}: {self._last[:300]!r}")
        elif self._streaming and not self._ended:
            self._fail(f"a stream without its end: {self._last.decode(errors='replace')}")
        self._finished = time.perf_counter() >= self._until
        if self._finished:
            self._transport.close()
        else:
            asyncio.get_running_loop().call_soon(self._send)

    def _read_events(self, data: bytes) -> None:
        # As they lie on the wire, HTTP's chunk sizes in between: that costs half of taking them apart first.
        # A piece may end within an event: its last line waits for the rest of it.
        seen = self._measured
        whole = self._rest + data
        cut = whole.rfind(b"\n") + 1
        lines, self._rest = whole[:cut], whole[cut:]
        seen.events += lines.count(_EVENT)
        self._ended = self._ended or _END in lines
        if (start := lines.rfind(b'"error":{')) >= 0:
            self._last = lines[start : start + 300]
        if _DELTA in lines:
            if not self._spoke:
                self._spoke = True
                seen.first_tokens.append(time.perf_counter() - self._started)
            if self._stamped:
                now = time.monotonic_ns()
                deltas = lines.partition(b"output_text.done")[0]
                seen.added.extend((now - int(stamp)) / 1e9 for stamp in STAMP.findall(deltas))

    def _fail(self, why: str) -> None:
        self._measured.errors += 1
        self._measured.error = self._measured.error or why

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._spoke = self._finished = self._ended = False
        self._rest = self._last = b""
        self._started = time.perf_counter()
        self._transport.write(self._request)


async def run(port: int, request: bytes, *, connections: int, seconds: float, ramp: float = 0.0) -> Measured:
    """Keeps `connections` busy for `seconds`, then lets the last requests end; they come in over `ramp` seconds."""
    loop = asyncio.get_running_loop()
    measured = Measured()
    started = time.perf_counter()
    waiting: list[asyncio.Future[None]] = []
    gc.collect()
    gc.disable()  # its pauses would look like the server's
    try:
        for number in range(connections):
            done: asyncio.Future[None] = loop.create_future()
            waiting.append(done)

            def client(done: asyncio.Future[None] = done) -> _Client:
                return _Client(request, measured, started + ramp + seconds, done)

            await asyncio.sleep(max(0.0, started + ramp * number / connections - time.perf_counter()))
            try:
                await loop.create_connection(client, "127.0.0.1", port)
            except OSError as error:
                measured.errors += 1
                measured.error = measured.error or str(error)
                done.set_result(None)
        shape = shape_of(request)
        lasting = shape.pause_ms / 1000 * (shape.tokens + 1)
        _, late = await asyncio.wait(waiting, timeout=seconds + lasting + PATIENCE)
        for unanswered in late:
            measured.errors += 1
            measured.error = measured.error or f"not answered {PATIENCE:.0f} seconds after it should have been"
            unanswered.cancel()
    finally:
        gc.enable()
    measured.seconds = time.perf_counter() - started
    return measured
