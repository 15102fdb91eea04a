"""`python -m bench.load`: keeps connections busy and measures, for machines without a C compiler (native/load.c)."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import httptools
import uvloop

from bench.shape import STAMP

KINDS: Final = ("json", "stream", "stamped")
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

    def figures(self) -> dict[str, Any]:
        """What is printed, and what `bench.loads` reads."""
        found: dict[str, Any] = {"requests": len(self.latencies), "events": self.events, "errors": self.errors}
        found |= {"seconds": self.seconds, "error": self.error}
        for name, values in (("latency", self.latencies), ("first", self.first_tokens), ("added", self.added)):
            found |= {f"{name}_p50": _percentile(values, 0.5), f"{name}_p99": _percentile(values, 0.99)}
        return found


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, kind: str, measured: Measured, until: float, done: asyncio.Future[None]) -> None:
        self._request = request
        self._measured = measured
        self._until = until
        self._done = done
        self._streaming = kind != "json"
        self._stamped = kind == "stamped"
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


async def run(
    port: int, request: bytes, kind: str, *, count: int, seconds: float, ramp: float, patience: float
) -> Measured:
    """Keeps `count` connections busy for `seconds` after the last has come, which they do over `ramp` seconds.

    What isn't answered `patience` seconds after that is an error.
    """
    loop = asyncio.get_running_loop()
    measured = Measured()
    started = time.perf_counter()
    waiting: list[asyncio.Future[None]] = []
    for number in range(count):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)

        def client(done: asyncio.Future[None] = done) -> _Client:
            return _Client(request, kind, measured, started + ramp + seconds, done)

        await asyncio.sleep(max(0.0, started + ramp * number / count - time.perf_counter()))
        try:
            await loop.create_connection(client, "127.0.0.1", port)
        except OSError as error:
            measured.errors += 1
            measured.error = measured.error or f"no connection: {error}"
            done.set_result(None)
    _, late = await asyncio.wait(waiting, timeout=seconds + patience)
    measured.errors += len(late)
    if late:
        measured.error = measured.error or "not answered in time"
    measured.seconds = time.perf_counter() - started
    return measured


def _percentile(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else None


def main() -> None:
    """Reads the request from standard input and prints the figures as one line of JSON, times in seconds."""
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    for name, form in (("port", int), ("connections", int), ("seconds", float), ("ramp", float), ("patience", float)):
        parser.add_argument(name, type=form)
    parser.add_argument("kind", choices=KINDS)
    given = parser.parse_args()
    gc.disable()  # its pauses would look like the server's
    times = {"seconds": given.seconds, "ramp": given.ramp, "patience": given.patience}
    asked = sys.stdin.buffer.read()
    print(json.dumps(uvloop.run(run(given.port, asked, given.kind, count=given.connections, **times)).figures()))


if __name__ == "__main__":
    main()
