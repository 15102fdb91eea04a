"""Loads in rounds: what was measured while the machine ran slowly is measured again later; the fastest round counts.

So is what was measured while its disk stood still. Which round counts is said by the machine's disk and pace, never by
what was measured; all rounds are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.disk import STILL, quiet, watched
from bench.loads import Load, Row, measure
from bench.pace import EVEN, best_pace, wait_for
from bench.processes import NotStartedError, cpu_seconds
from bench.report import show, show_heads
from bench.target import Target

MEANWHILE: Final = (
    "*Pace* is how many ms of CPU a fixed piece of work took on all CPUs at once while a load was measured: less is "
    "faster. *Disk* is how many ms the slowest page took, of those that were written and synced beside it, one every "
    "20 ms."
)
ROUNDS: Final = (
    f"{MEANWHILE} What was measured at a slow pace, or while a page took more than 20 ms, was measured again in a "
    "later round; here is the round of the best pace, of those in which the disk didn't stand still if there are any."
)
REST_SECONDS: Final = 60.0
LOOK: Final = 0.5
IDLE_CPU: Final = 0.05
"""So much of one CPU, between two looks, is what a server takes that does nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """A server and its loads, each group of them at a server started for it in a folder; `once` has no second round."""

    name: str
    start: Callable[[Path], AbstractContextManager[Target]]
    groups: Sequence[Sequence[Load]]
    once: Sequence[str] = ()

    @property
    def folder(self) -> str:
        """Its name, as a path of a socket takes it."""
        return self.name.replace(",", "").replace(" ", "-")


def in_rounds(
    ways: Sequence[Way], folder: Path, rounds: int, missing: dict[str, str], *, wait: float = 0.0
) -> list[Row]:
    """All ways, one after the other, in each round; `missing` gets those that don't start, and why.

    Each load waits at most `wait` seconds for the machine to run at the pace that it can, and for a disk that moves.
    """
    rows: list[Row] = []
    best = best_pace() if wait else 0.0
    for number in range(1, rounds + 1):
        for way in ways:
            for part, group in enumerate(way.groups):
                loads = list(wanting(way, group, rows))
                if not loads or way.name in missing:
                    continue
                try:
                    own = folder / way.folder / str(part)
                    ready = partial(wait_for, best, wait, quiet=partial(quiet, folder))
                    rows += _measured(way, loads, own, number, ready)
                except NotStartedError as error:
                    missing[way.name] = str(error)
                    print(f"\n{way.name} is not measured: {error}", flush=True)
    return told(rows)


def side_by_side(
    ways: Sequence[Way], folder: Path, rounds: int, missing: dict[str, str], *, wait: float = 0.0
) -> list[Row]:
    """As `in_rounds`, where all ways run at the same time and each load is measured at every one before the next load.

    So they meet the machine at about the same pace: it may have another one a minute later. What was measured in one
    round can be compared, so each has all of it. Nobody is measured while another still works on what it was asked
    for, unless that takes longer than a minute, and then it's said.
    """
    rows: list[Row] = []
    best = best_pace() if wait else 0.0
    with ExitStack() as running:
        targets = list(_started(ways, folder, running, missing))
        for number in range(1, rounds + 1):
            print(f"\nround {number}", flush=True)
            show_heads()
            for load in dict.fromkeys(load for way in ways for group in way.groups for load in group):
                for target in targets:
                    wait_for(best, wait, quiet=partial(quiet, folder))
                    rows.append(_row(target, load, folder, number))
                    come_to_rest(target)
    return told(rows)


def told(rows: Sequence[Row]) -> list[Row]:
    """The rows, load by load, each marked with whether it's the one that counts: see `ROUNDS`, or one with an error."""
    best: dict[tuple[str, str, int], Row] = {}
    for row in rows:
        known = best.get(_load_of(row))
        if known is None or _rank(row) < _rank(known):
            best[_load_of(row)] = row
    order = list(best)
    marked = [replace(row, told=best[_load_of(row)] is row) for row in rows]
    return sorted(marked, key=lambda row: order.index(_load_of(row)))


def _started(ways: Sequence[Way], folder: Path, running: ExitStack, missing: dict[str, str]) -> Iterator[Target]:
    for way in ways:
        try:
            (folder / way.folder).mkdir()
            yield running.enter_context(way.start(folder / way.folder / "1"))
        except NotStartedError as error:
            missing[way.name] = str(error)
            print(f"\n{way.name} is not measured: {error}", flush=True)


def _row(target: Target, load: Load, folder: Path, number: int) -> Row:
    with watched(folder) as slowest_page:
        row = measure(target, load)
    print(target.name.rjust(12), end=" ")
    return show(replace(row, round=number, disk=slowest_page()))


def come_to_rest(target: Target) -> None:
    """Returns when a server that nobody asks anything has done what it was asked, or after a while, and says so."""
    until, before = time.monotonic() + REST_SECONDS, -1.0
    while (now := cpu_seconds(target.pids())) - before > IDLE_CPU * LOOK:
        if time.monotonic() >= until:
            print(f"{target.name} still works on what it was asked: the next row is measured beside it", flush=True)
            return
        before = now
        time.sleep(LOOK)


def _measured(way: Way, loads: Sequence[Load], folder: Path, number: int, ready: Callable[[], object]) -> Iterator[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    with way.start(folder / str(number)) as target:
        print(f"\n{way.name}{f', round {number}' if number > 1 else ''}", flush=True)
        show_heads()
        for load in loads:
            ready()
            with watched(folder) as slowest_page:
                row = measure(target, load)
            yield show(replace(row, round=number, disk=slowest_page()))


def wanting(way: Way, group: Iterable[Load], rows: Sequence[Row]) -> Iterator[Load]:
    """The loads of a group that were not measured yet while machine and disk ran at about their best."""
    fastest = min((row.pace for row in rows), default=0.0)
    for load in group:
        seen = [row for row in rows if _load_of(row) == (way.name, load.name, load.connections)]
        slow = all(row.pace > fastest * EVEN or row.disk > STILL for row in seen)
        if not seen or (slow and load.name not in way.once and not any(row.errors for row in seen)):
            yield load


def _load_of(row: Row) -> tuple[str, str, int]:
    return row.server, row.load, row.connections


def _rank(row: Row) -> tuple[bool, bool, float]:
    return not row.errors, row.disk > STILL, row.pace
