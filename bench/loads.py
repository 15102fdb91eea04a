"""The standard loads, and what one of them measures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import Any, Final

from bench.pace import pace_ms
from bench.processes import cpu_seconds, memory_mb
from bench.programs import programs
from bench.shape import Shape
from bench.target import Target

JSON_TOKENS: Final = 8
PATIENCE: Final = 30.0
"""Seconds that a load waits for what should have been answered."""
_WATCHED: Final = 2.0
"""Seconds between two looks. One takes 10 ms of CPU, which the slowest hundredth of paced tokens must not feel."""
_FEW: Final = {("JSON", 1), ("JSON", 64), ("SSE", 64), ("SSE 50/s", 200)}
SPARE_FILES: Final = 500
IDLE: Final = "SSE idle"


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
    return [*loads, _paced("5/s", 500, Shape(20, 200, stamped=True), seconds, ramp=4.0)]


def idle(ramp: float) -> Load:
    """Ten thousand streams that all have come before the first one's only token: every one of them is open and idle."""
    shape = Shape(1, int(ramp * 1000) + 5_000, stamped=True)
    return _paced("idle", 10_000, shape, 0.0, ramp=ramp)


def few(seconds: float) -> list[Load]:
    """Enough to compare ways of running Nodexa."""
    return [load for load in standard(seconds, quick=False) if (load.name, load.connections) in _FEW]


def _paced(name: str, count: int, shape: Shape, seconds: float, *, ramp: float) -> Load:
    ramp = 0.0 if count == 1 else ramp
    return Load(f"SSE {name}", count, stream=True, shape=shape, seconds=seconds, ramp=ramp)


@dataclass(frozen=True, slots=True)
class Row:
    """What one load measured at one server: times in ms, CPU in µs over all of the server's processes, memory in MB.

    `pace` is that of the machine meanwhile, in ms (`bench.pace`), `disk` how long the slowest page took (`bench.disk`).
    A load may be measured in several rounds; `told` marks the one that counts.
    """

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
    pace: float = 0.0
    disk: float = 0.0
    round: int = 1
    told: bool = True

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


def measure(target: Target, load: Load) -> Row:
    """Warms the server up, then measures one load."""
    if load.warm_up:
        warm = replace(load, connections=min(load.connections, 64), shape=Shape(load.shape.tokens))
        _run(target, replace(warm, seconds=load.warm_up, ramp=0.0), [], [])
    pids = target.pids()
    paces, before = [pace_ms()], memory_mb(pids)
    peaks, cpu = [before], cpu_seconds(pids)
    seen = _run(target, load, peaks, paces)
    cpu = cpu_seconds(pids) - cpu
    row = _row(target.name, load, seen, cpu=cpu if pids else None, memory=(before, max(peaks)))
    return replace(row, pace=mean(paces))


def _run(target: Target, load: Load, memory: list[float], paces: list[float]) -> Mapping[str, Any]:
    """What the load generator says; `memory` gets what the server holds, again and again, and `paces` the machine's."""

    def watch() -> None:
        memory.append(memory_mb(target.pids()))
        paces.append(pace_ms())

    shape = load.shape
    kind = ("stamped" if shape.stamped else "stream") if load.stream else "json"
    patience = PATIENCE + shape.pause_ms / 1000 * (shape.tokens + 1)
    words = [target.port, load.connections, load.seconds, load.ramp, patience, kind]
    request = target.request(str(shape), stream=load.stream)
    command = [*programs().load, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        try:
            return dict(json.loads(_told(running, request, watch)))
        finally:
            running.kill()


def _told(running: subprocess.Popen[bytes], request: bytes, watch: Callable[[], object]) -> bytes:
    """What a program says to a request; meanwhile something is watched."""
    given: bytes | None = request
    while True:
        try:
            told, _ = running.communicate(given, timeout=_WATCHED)
        except subprocess.TimeoutExpired:
            given = None
            watch()
        else:
            watch()
            return told


def _row(name: str, load: Load, seen: Mapping[str, Any], *, cpu: float | None, memory: tuple[float, float]) -> Row:
    def milliseconds(figure: str) -> float | None:
        value = seen[figure]
        return None if value is None else value * 1000

    requests, events = seen["requests"], seen["events"]
    return Row(
        server=name,
        load=load.name,
        connections=load.connections,
        requests=requests,
        events=events,
        errors=seen["errors"],
        error=seen["error"],
        seconds=seen["seconds"],
        latency_p50=milliseconds("latency_p50"),
        latency_p99=milliseconds("latency_p99"),
        first_p50=milliseconds("first_p50"),
        first_p99=milliseconds("first_p99"),
        added_p50=milliseconds("added_p50"),
        added_p99=milliseconds("added_p99"),
        cpu_request=cpu * 1e6 / requests if cpu is not None and requests else None,
        cpu_event=cpu * 1e6 / events if cpu is not None and events else None,
        memory_before=memory[0],
        memory_peak=memory[1],
    )
