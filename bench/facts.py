"""What is no load: how long a start takes, what an idle Nodexa holds, how many bytes a response leaves on disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from bench.loads import Load, measure
from bench.pace import pace_ms
from bench.processes import memory_mb, resident_mb, runs
from bench.shape import Shape
from bench.target import Target, serving
from bench.threads import Talk

PATIENCE: Final = 60.0
DIGITS: Final = {"s": 2, "MB": 0, "bytes": 0}
_DATABASE: Final = "nodexa.db"
_PACE: Final = itemgetter(0)
_AT_ONCE: Final = ("--keep-log-days", "0.000001")


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure; less is better."""

    name: str
    value: float
    unit: str

    def words(self) -> str:
        """With its unit."""
        return f"{self.value:,.{DIGITS[self.unit]}f} {self.unit}"

    def raw(self) -> dict[str, Any]:
        """As it is kept."""
        return {"server": "nodexa", "load": "fact", "name": self.name, "value": self.value, "unit": self.unit}


def facts(folder: Path, model_port: int, rounds: int) -> Iterator[Fact]:
    """All of them; starts in rounds, of which the one counts in which the machine ran fastest."""
    yield from min((_paced_starts(folder / f"starts {number}", model_port) for number in range(rounds)), key=_PACE)[1]
    for words, pause, seconds in (("as fast as they come", 0, 2.0), ("50 a second", 20, 0.0)):
        load = Load("", 64, stream=True, shape=Shape(200, pause), seconds=seconds, warm_up=0.0)
        yield from _disk(folder / f"disk-{pause}", model_port, load, words)


def _paced_starts(data: Path, model_port: int) -> tuple[float, list[Fact]]:
    before = pace_ms()
    found = list(_starts(data, model_port))
    return before + pace_ms(), found


def _starts(data: Path, model_port: int) -> Iterator[Fact]:
    started = time.perf_counter()
    with serving(data, model_port) as target:
        yield _since("start in an empty folder, to the first answer", started, target)
        time.sleep(2)
        yield Fact("memory, idle", memory_mb(target.pids()), "MB")
        yield Fact("memory, idle, shared pages counted for each process", resident_mb(target.pids()), "MB")
        core = next(pid for pid in target.pids() if runs(pid, "service"))
        started = time.perf_counter()
        os.kill(core, signal.SIGKILL)
        yield _since("after kill -9 of the core, to the next answer", started, target)
        for pid in target.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    started = time.perf_counter()
    with serving(data, model_port) as target:
        yield _since("start after kill -9 of everything, to the first answer", started, target)


def _since(name: str, started: float, target: Target) -> Fact:
    deadline = started + PATIENCE
    while True:
        try:
            Talk(target).ask()
            return Fact(name, time.perf_counter() - started, "s")
        except (OSError, HTTPException, RuntimeError):
            if time.perf_counter() > deadline:
                raise
            time.sleep(0.01)


def _disk(data: Path, model_port: int, load: Load, words: str) -> Iterator[Fact]:
    with serving(data, model_port) as target:
        Talk(target).ask()
    before = _used(data / _DATABASE)
    with serving(data, model_port) as target:
        responses = measure(target, load).requests
    name = f"a response of 200 tokens on disk, {words}"
    yield Fact(f"{name}, replayable", (_used(data / _DATABASE) - before) / responses, "bytes")
    with serving(data, model_port, options=_AT_ONCE):
        _wait_for_compaction(data / _DATABASE)
    yield Fact(f"{name}, after compaction", (_used(data / _DATABASE) - before) / responses, "bytes")


def _used(database: Path) -> int:
    """Bytes of the pages in use: what was deleted leaves free ones behind. Nothing may be running on the database."""
    with closing(sqlite3.connect(database)) as db:
        pages, free, size = (
            db.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def _wait_for_compaction(database: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        while db.execute("select exists(select 1 from response_segments)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the logs are still there after {PATIENCE:.0f} seconds")
            time.sleep(0.05)
