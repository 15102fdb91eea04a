"""`make bench-profile`: what each microsecond of a JSON request and of an SSE event is, by py-spy; writes budget.md."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import docs
from bench.loads import JSON_TOKENS, Load, measure
from bench.machine import about, need_linux
from bench.pieces import PIECES, shares
from bench.processes import cpu_seconds, runs, stop_like_ctrl_c, thread_seconds, upstream
from bench.report import HERE, keep, kept, markdown, slower
from bench.shape import Shape
from bench.target import Target, serving
from bench.tree import grown, told

RAW: Final = HERE / "budget.jsonl"
MODULES: Final = {"core": "service", "bridge": "rest_bridge"}
CONNECTIONS: Final = 64
RATE: Final = 199
"""Samples a second."""
SPARE: Final = 4.0
"""Seconds that a load lasts longer than its profile."""
HOT: Final = (
    ("JSON request", "request", Load("JSON", CONNECTIONS, stream=False, shape=Shape(JSON_TOKENS))),
    ("SSE event", "event", Load("SSE", CONNECTIONS, stream=True, shape=Shape(200))),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process spent on one request or event: CPU in µs, each piece's share of it, and a tree of calls."""

    cpu: float
    shares: Mapping[str, float]
    tree: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, measures, divides."""
    parser = argparse.ArgumentParser(prog="make bench-profile", description="Divides the time of the two hot paths.")
    parser.add_argument("--seconds", type=float, default=10, help="how long each is looked at (default: 10)")
    parser.add_argument("--out", type=Path, help=f"where to write budget.md and budget.jsonl (default: {HERE.name}/)")
    given = parser.parse_args(arguments)
    need_linux("make bench-profile")
    spy, before = _spy(), kept(RAW)
    print(about(), flush=True)
    parts = ["# Results of `make bench-profile`", f"Measured on {datetime.now(UTC).date().isoformat()}. {about()}."]
    records: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, upstream(Path(scratch)) as port:
        for name, unit, load in HOT:
            with serving(Path(scratch) / unit, port) as target:
                spent = _spent(target, replace(load, seconds=given.seconds), unit, spy, Path(scratch))
            print(f"\n{name}\n\n{_table(spent, unit)}", flush=True)
            parts += _sections(name, unit, spent)
            records += [{"load": name, "name": process, "cpu": cost.cpu / 1000} for process, cost in spent.items()]
    for words in slower(records, before):
        print(f"SLOWER: {words}")
    folder: Path = given.out or HERE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "budget.md").write_text("\n\n".join(parts) + "\n")
    keep(folder / RAW.name, records)
    if not given.out:
        docs.fill()


def _spy() -> str:
    own = Path(sys.executable).parent / "py-spy"
    found = shutil.which("py-spy") or (str(own) if own.exists() else None)
    if found is None:
        raise SystemExit("py-spy is not here. Install it: .venv/bin/pip install py-spy")
    return found


def _spent(target: Target, load: Load, unit: str, spy: str, scratch: Path) -> dict[str, Spent]:
    """First the CPU without the profiler, then the profile of both processes at once."""
    pids = {name: next(pid for pid in target.pids() if runs(pid, module)) for name, module in MODULES.items()}
    measure(target, replace(load, seconds=1.0))
    before = {name: cpu_seconds([pid]) for name, pid in pids.items()}
    row = measure(target, replace(load, warm_up=0.0))
    count = row.requests if unit == "request" else row.events
    cpu = {name: (cpu_seconds([pid]) - before[name]) * 1e6 / count for name, pid in pids.items()}
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(measure, target, replace(load, seconds=load.seconds + SPARE, warm_up=1.0))
        files = {name: scratch / f"{unit}-{name}" for name in pids}
        earlier = {name: thread_seconds(pid) for name, pid in pids.items()}
        _record(spy, {pids[name]: file for name, file in files.items()}, load.seconds)
        used = {name: _since(earlier[name], thread_seconds(pid)) for name, pid in pids.items()}
        busy.result()
    lines = {name: file.read_text().splitlines() for name, file in files.items()}
    return {
        name: Spent(cpu[name], shares(lines[name], name, used[name], 1 / RATE), list(told(grown(lines[name]))))
        for name in pids
    }


def _since(before: Mapping[int, float], now: Mapping[int, float]) -> dict[int, float]:
    return {thread: seconds - before.get(thread, 0.0) for thread, seconds in now.items()}


def _record(spy: str, files: Mapping[int, Path], seconds: float) -> None:
    options = ["--format", "raw", "--gil", "--threads", "--duration", f"{seconds:.0f}", "--rate", str(RATE)]
    running = [
        subprocess.Popen(
            [spy, "record", *options, "--output", str(file), "--pid", str(pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for pid, file in files.items()
    ]
    for one in running:
        _, words = one.communicate()
        if one.returncode:
            raise SystemExit(f"py-spy failed: {words.strip()[-300:]}")


def _table(spent: Mapping[str, Spent], unit: str) -> str:
    lines = []
    for process in PIECES:
        cost = spent[process]
        lines.append([f"**{process}**", f"{cost.cpu:,.1f}", "100%"])
        lines += [
            [f"{process}: {name}", f"{cost.cpu * share:,.1f}", f"{share:.0%}"] for name, share in cost.shares.items()
        ]
    return markdown([f"per {unit}", "CPU µs", "of its process"], lines)


def _sections(name: str, unit: str, spent: Mapping[str, Spent]) -> list[str]:
    parts = [f"## {name}", _table(spent, unit)]
    for process, cost in spent.items():
        parts += [f"## {name}: the {process}", "\n".join(["```", *cost.tree, "```"])]
    return parts


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
