"""The standard loads, and what one of them measures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.load import Measured, run
from bench.processes import cpu_seconds, memory_mb
from bench.shape import Shape
from bench.target import Target

JSON_TOKENS: Final = 8
SPARE_FILES: Final = 500


@dataclass(frozen=True, slots=True)
class Load:
    """So many connections, each asking for a reply of a shape again and again for `seconds`; at least once."""

    name: str
    connections: int
    stream: bool
    shape: Shape
    seconds: float = 3.0
    ramp: float = 0.0
    warm_up: float = 0.5


def standard(seconds: float, *, quick: bool) -> list[Load]:
    """What `make bench` measures."""
    counts = [1, 16] if quick else [1, 16, 64, 500]
    loads = [Load("JSON", count, stream=False, shape=Shape(JSON_TOKENS), seconds=seconds) for count in counts]
    loads += [Load("SSE", count, stream=True, shape=Shape(200), seconds=seconds) for count in counts]
    if quick:
        return [*loads, _paced("50/s", 16, Shape(25, 20, stamped=True), seconds, ramp=0.5)]
    loads += [_paced("50/s", count, Shape(50, 20, stamped=True), seconds, ramp=1.0) for count in (1, 32, 200)]
    loads.append(_paced("5/s", 500, Shape(20, 200, stamped=True), 0.0, ramp=4.0))
    # All have come before the first one's second token: for a while every one of them is open and idle.
    loads.append(_paced("idle", 10_000, Shape(2, 40_000, stamped=True), 0.0, ramp=60.0, warm_up=0.0))
    return loads


def _paced(name: str, count: int, shape: Shape, seconds: float, *, ramp: float, warm_up: float = 0.5) -> Load:
    ramp = 0.0 if count == 1 else ramp
    return Load(f"SSE {name}", count, stream=True, shape=shape, seconds=seconds, ramp=ramp, warm_up=warm_up)


@dataclass(frozen=True, slots=True)
class Row:
    """What one load measured at one server: times in ms, CPU in µs over all of the server's processes, memory in MB."""

    server: str
    load: str
    connections: int
    requests: int
    events: int
    errors: int
    error: str
    seconds: float
    latency_p50: float | None
    latency_p99: float | None
    first_p50: float | None
    first_p99: float | None
    added_p50: float | None
    added_p99: float | None
    cpu_request: float | None
    cpu_event: float | None
    memory_before: float
    memory_peak: float

    @property
    def requests_a_second(self) -> float:
        """Answered ones."""
        return self.requests / self.seconds

    @property
    def events_a_second(self) -> float:
        """All kinds of events, not deltas alone."""
        return self.events / self.seconds

    def raw(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


async def measure(target: Target, load: Load) -> Row:
    """Warms the server up, then measures one load."""
    request = target.request(str(load.shape), stream=load.stream)
    if load.warm_up:
        warm = target.request(str(Shape(load.shape.tokens)), stream=load.stream)
        await run(target.port, warm, connections=min(load.connections, 64), seconds=load.warm_up)
    pids = target.pids()
    peak = [memory_mb(pids)]
    watching = asyncio.ensure_future(_watch_memory(pids, peak))
    before, cpu = peak[0], cpu_seconds(pids)
    seen = await run(target.port, request, connections=load.connections, seconds=load.seconds, ramp=load.ramp)
    cpu = cpu_seconds(pids) - cpu
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return _row(target.name, load, seen, cpu=cpu if pids else None, memory=(before, peak[0]))


async def _watch_memory(pids: Sequence[int], peak: list[float]) -> None:
    while True:
        await asyncio.sleep(0.25)
        peak[0] = max(peak[0], memory_mb(pids))


def _row(name: str, load: Load, seen: Measured, *, cpu: float | None, memory: tuple[float, float]) -> Row:
    requests = len(seen.latencies)
    return Row(
        server=name,
        load=load.name,
        connections=load.connections,
        requests=requests,
        events=seen.events,
        errors=seen.errors,
        error=seen.error,
        seconds=seen.seconds,
        latency_p50=percentile(seen.latencies, 0.5),
        latency_p99=percentile(seen.latencies, 0.99),
        first_p50=percentile(seen.first_tokens, 0.5),
        first_p99=percentile(seen.first_tokens, 0.99),
        added_p50=percentile(seen.added, 0.5),
        added_p99=percentile(seen.added, 0.99),
        cpu_request=cpu * 1e6 / requests if cpu is not None and requests else None,
        cpu_event=cpu * 1e6 / seen.events if cpu is not None and seen.events else None,
        memory_before=memory[0],
        memory_peak=memory[1],
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else None
