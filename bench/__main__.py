"""`make bench`: Nodexa with everything on, against a mock model server; prints a table and writes results.md."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench.loads import SPARE_FILES, Load, Row, measure, standard
from bench.machine import about, need_linux
from bench.processes import allow_files, stop_like_ctrl_c, upstream
from bench.report import HERE, keep, kept, markdown, show, show_heads, slower, table
from bench.target import Target, serving
from bench.threads import Turn, turns

RESULTS = HERE / "results.md"
RAW = HERE / "results.jsonl"


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Nodexa against a mock model server.")
    parser.add_argument("--quick", action="store_true", help="few loads, short ones, nothing is written")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (default: 3, with --quick 1)")
    parser.add_argument("--turns", type=int, help="how long the long thread is (default: 1000, with --quick 20)")
    parser.add_argument("--connections", type=int, default=10_000, help="no load with more of them (default: 10000)")
    parser.add_argument("--out", type=Path, help=f"where to write the table and the raw rows (default: {HERE.name}/)")
    given = parser.parse_args(arguments)
    need_linux("make bench")
    seconds = given.seconds or (1.0 if given.quick else 3.0)
    before = kept(RAW)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        last = given.turns or (20 if given.quick else 1000)
        loads = _loads(seconds, quick=given.quick, most=given.connections)
        rows, talk = run(Path(folder), loads, last=last)
    for words in slower(rows, before):
        print(f"SLOWER: {words}")
    if given.out or not given.quick:
        write(given.out or HERE, rows, talk)


def _loads(seconds: float, *, quick: bool, most: int) -> list[Load]:
    files = allow_files(30_000)
    loads = standard(seconds, quick=quick)
    able = min(most, files - SPARE_FILES)
    if able < min(most, 10_000):
        print(f"Only {files:,} files may be open here, so at most {able:,} connections are measured: see `ulimit -n`.")
    return [replace(load, connections=min(load.connections, able)) for load in loads]


def run(folder: Path, loads: Sequence[Load], *, last: int) -> tuple[list[Row], list[Turn]]:
    """All loads at one Nodexa, the mock alone beside it, and a thread of `last` turns at another Nodexa."""
    print(about(), flush=True)
    rows: list[Row] = []
    with upstream(folder) as port:
        print("\nNodexa", flush=True)
        with serving(folder / "loads", port) as target:
            show_heads()
            rows += [show(uvloop.run(measure(target, load))) for load in dict.fromkeys(loads)]
        print("\nThe mock model server alone, asked by the same client", flush=True)
        mock = Target("mock", port, "mock", 0)
        rows += [show(uvloop.run(measure(mock, load))) for load in dict.fromkeys(loads) if load.connections <= 500]
        talk = turns(lambda: serving(folder / "thread", port), last)
    print("\n" + turns_table(talk), flush=True)
    return rows, talk


def turns_table(talk: Sequence[Turn]) -> str:
    """The costs of turns, each beside the same of turn 2."""
    lines = []
    for turn in talk:
        second = next(other for other in talk if other.number == 2 and other.cold == turn.cold)
        words = "after a restart" if turn.cold else "history at hand"
        ratio = f"{turn.cpu / second.cpu:.1f}"
        lines.append([f"turn {turn.number:,}, {words}", f"{turn.cpu:.2f}", f"{turn.latency:.2f}", ratio])
    return markdown(["turn of one thread", "CPU ms", "answer p50 ms", "CPU against turn 2"], lines)


def write(folder: Path, rows: Sequence[Row], talk: Sequence[Turn]) -> None:
    """Writes results.md and the raw rows."""
    when = datetime.now(UTC).date().isoformat()
    parts = [
        "# Results of `make bench`",
        f"Measured on {when}. {about()}.",
        "Client, mock model server and Nodexa share these cores. CPU is that of all of Nodexa's processes.",
        "## Nodexa",
        table(row for row in rows if row.server == "nodexa"),
        "## The mock model server alone, asked by the same client",
        table(row for row in rows if row.server == "mock"),
        "## A long thread",
        turns_table(talk),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS.name).write_text("\n\n".join(parts) + "\n")
    records: list[dict[str, Any]] = [row.raw() for row in rows]
    keep(folder / RAW.name, [*records, *({"server": "nodexa", "load": "turn", **asdict(turn)} for turn in talk)])


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
