"""`make bench`: Nodexa with everything on, against a mock model server; prints tables and writes results.md."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from bench import docs
from bench.facts import Fact, facts
from bench.goals import goals_table
from bench.loads import IDLE, SPARE_FILES, Load, Row, few, idle, standard
from bench.machine import about, need_linux
from bench.processes import allow_files, stop_like_ctrl_c, upstream
from bench.programs import programs
from bench.report import HERE, keep, kept, markdown, slower, table
from bench.rounds import ROUNDS, Way, in_rounds
from bench.target import Target, serving, sharing
from bench.threads import Turn, turns

RESULTS = HERE / "results.md"
RAW = HERE / "results.jsonl"
SINGLE = "--single-process"


@dataclass(slots=True)
class Run:
    """What was measured."""

    rows: list[Row] = field(default_factory=list)
    talk: list[Turn] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def raw(self) -> list[dict[str, Any]]:
        """As it is kept: one record a line."""
        told = [{"server": "nodexa", "load": "turn", **asdict(turn)} for turn in self.talk]
        return [*(row.raw() for row in self.rows), *told, *(fact.raw() for fact in self.facts)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments and measures."""
    given = _parser().parse_args(arguments)
    need_linux("make bench")
    before = kept(RAW)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = measured(Path(folder), given)
    print(f"\n{goals_table(run.raw())}\n", flush=True)
    for words in slower(run.raw(), before):
        print(f"SLOWER: {words}")
    if given.out or not given.quick:
        write(given.out or HERE, run)
    if not given.out and not given.quick:
        docs.fill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Nodexa against a mock model server.")
    parser.add_argument("--quick", action="store_true", help="few loads, short ones, nothing is written")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (default: 3, with --quick 1)")
    parser.add_argument("--rounds", type=int, help="in how many a load may be measured (default: 4, with --quick 1)")
    parser.add_argument(
        "--wait", type=float, default=0, help="seconds a load waits for a good pace and disk (default: 0)"
    )
    parser.add_argument("--turns", type=int, help="how long the long thread is (default: 1000, with --quick 20)")
    parser.add_argument("--connections", type=int, default=10_000, help="no load with more of them (default: 10000)")
    parser.add_argument("--ramp", type=float, default=30, help="seconds in which the 10,000 streams come (default: 30)")
    parser.add_argument("--out", type=Path, help=f"where to write the table and the raw rows (default: {HERE.name}/)")
    return parser


def measured(folder: Path, given: argparse.Namespace) -> Run:
    """All loads at Nodexa, in each of the ways to run it, and at the mock alone; a long thread; the facts."""
    print(f"{about()}\n{programs().words}", flush=True)
    run, seconds = Run(), given.seconds or (1.0 if given.quick else 3.0)
    rounds = given.rounds or (1 if given.quick else 4)
    loads = _loads(given, seconds)
    with upstream(folder) as port:
        ways = [_usual(port, loads), _mock(port, loads), *([] if given.quick else _other_ways(port, few(seconds)))]
        run.rows += in_rounds(ways, folder, rounds, {}, wait=given.wait)
        last, starts = (20, 1) if given.quick else (1000, 3)
        run.talk += turns(lambda: serving(folder / "thread", port), given.turns or last, starts=starts)
        print("\n" + turns_table(run.talk), flush=True)
        if not given.quick:
            run.facts += facts(folder, port, rounds)
            print("\n" + facts_table(run.facts), flush=True)
    return run


def _usual(port: int, loads: Sequence[Load]) -> Way:
    # Each kind of load has a Nodexa of its own: what an earlier one left in memory isn't its doing.
    groups = [list(group) for _, group in groupby(loads, lambda load: load.name)]
    return Way("nodexa", lambda data: serving(data, port), groups, once=[IDLE])


def _mock(port: int, loads: Sequence[Load]) -> Way:
    """The mock model server alone, asked by the same client."""
    short = [replace(load, seconds=min(load.seconds, 1.0)) for load in loads if load.name != IDLE]
    return Way("mock", lambda _: nullcontext(Target("mock", port, "mock")), [short])


def _loads(given: argparse.Namespace, seconds: float) -> list[Load]:
    files = allow_files(30_000)
    loads = standard(seconds, quick=given.quick) + ([] if given.quick else [idle(given.ramp)])
    able = min(given.connections, files - SPARE_FILES)
    if able < min(given.connections, 10_000):
        print(f"Only {files:,} files may be open here, so at most {able:,} connections are measured: see `ulimit -n`.")
    return list(dict.fromkeys(replace(load, connections=min(load.connections, able)) for load in loads))


def _other_ways(port: int, loads: Sequence[Load]) -> list[Way]:
    """Nodexa as it can be run besides."""
    two = ["--bridge-workers", "2"]

    def way(name: str, *options: str) -> Way:
        return Way(name, lambda data: serving(data, port, name=name, options=options), [loads])

    cores = "nodexa, two cores and bridges"
    return [
        way("nodexa, two bridges", *two),
        way("nodexa, a single process", SINGLE),
        way("nodexa, two single processes", SINGLE, *two),
        Way(cores, lambda data: sharing(data, port, name=cores), [loads]),
    ]


def turns_table(talk: Sequence[Turn]) -> str:
    """The costs of turns, each beside the same of turn 2."""
    lines = []
    for turn in talk:
        second = next(other for other in talk if other.number == 2 and other.cold == turn.cold)
        words = "after a restart" if turn.cold else "history at hand"
        ratio = f"{turn.cpu / second.cpu:.1f}"
        lines.append([f"turn {turn.number:,}, {words}", f"{turn.cpu:.2f}", f"{turn.latency:.2f}", ratio])
    return markdown(["turn of one thread", "CPU ms", "answer p50 ms", "CPU against turn 2"], lines)


def facts_table(found: Sequence[Fact]) -> str:
    """A fact a line."""
    return markdown(["what", "measured"], [[fact.name, fact.words()] for fact in found])


def ways_table(rows: Sequence[Row]) -> str:
    """The loads of the other ways to run it, beside those of the usual one."""
    others = [row for row in rows if row.server.startswith("nodexa,") and row.told]
    loads = {(row.load, row.connections) for row in others}
    usual = [row for row in rows if row.server == "nodexa" and row.told and (row.load, row.connections) in loads]
    return table([*usual, *others], server=True)


def write(folder: Path, run: Run) -> None:
    """Writes results.md and the raw rows."""
    when = datetime.now(UTC).date().isoformat()
    records = run.raw()
    parts = [
        "# Results of `make bench`",
        f"Measured on {when}. {about()}.",
        f"{programs().words} They and Nodexa share these cores. CPU and memory are those of all of Nodexa's processes.",
        "## Targets",
        goals_table(records),
        "## Nodexa",
        ROUNDS,
        table(row for row in run.rows if row.server == "nodexa" and row.told),
        "## The mock model server alone, asked by the same client",
        table(row for row in run.rows if row.server == "mock" and row.told),
        "## A long thread",
        turns_table(run.talk),
    ]
    if run.facts:
        parts += ["## Starts, memory, disk", facts_table(run.facts), "## Other ways to run it", ways_table(run.rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS.name).write_text("\n\n".join(parts) + "\n")
    keep(folder / RAW.name, records)


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
