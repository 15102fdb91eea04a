"""`make bench-peers`: the same loads at Nodexa and at others like it, one after the other, and how they compare."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.loads import Load, Row, measure, standard
from bench.machine import about, need_linux
from bench.peers import PEERS, Peer, started, version
from bench.processes import NotStartedError, allow_files, stop_like_ctrl_c, upstream
from bench.report import HERE, keep, markdown, show, show_heads, table
from bench.target import Target, serving

_Figure = Callable[[Row], float | None]
# What is better when it is more, and what when it is less: both as "so many times better".
MORE: Final[Sequence[tuple[str, _Figure]]] = (
    ("requests/s", lambda row: None if row.events else row.requests_a_second),
    ("events/s", lambda row: row.events_a_second or None),
)
LESS: Final[Sequence[tuple[str, _Figure]]] = (
    ("CPU a request", lambda row: None if row.events else row.cpu_request),
    ("CPU an event", lambda row: row.cpu_event),
    ("first token p50", lambda row: row.first_p50),
    ("added a token p99", lambda row: row.added_p99),
    ("memory at its peak", lambda row: row.memory_peak),
)


def main() -> None:
    """Parses the arguments, measures everybody, compares."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description="Measures Nodexa beside other servers.")
    parser.add_argument("--quick", action="store_true", help="few loads, short ones, nothing is written")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (default: 3, with --quick 1)")
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these peers alone")
    parser.add_argument("--out", type=Path, help=f"where to write peers.md and peers.jsonl (default: {HERE.name}/)")
    given = parser.parse_args()
    need_linux("make bench-peers")
    allow_files(30_000)
    print(about(), flush=True)
    peers = [peer for peer in PEERS if peer.name in given.only]
    loads = _loads(given.seconds or (1.0 if given.quick else 3.0), quick=given.quick)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        rows, missing = _all(peers, loads, Path(scratch))
    text = _report(rows, missing, peers)
    print("\n" + text)
    if given.out or not given.quick:
        folder: Path = given.out or HERE
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers.md").write_text(text)
        keep(folder / "peers.jsonl", [row.raw() for row in rows])


def _loads(seconds: float, *, quick: bool) -> list[Load]:
    """Without the ten thousand streams, which not every peer survives."""
    return [load for load in standard(seconds, quick=quick) if load.name != "SSE idle"]


def _all(peers: Sequence[Peer], loads: Sequence[Load], folder: Path) -> tuple[list[Row], dict[str, str]]:
    rows: list[Row] = []
    missing: dict[str, str] = {}
    with upstream(folder) as port:
        rows += _one("Nodexa", serving(folder / "nodexa", port), loads)
        for peer in peers:
            try:
                rows += _one(peer.name, started(peer, folder / peer.name, f"http://127.0.0.1:{port}"), loads)
            except NotStartedError as error:
                missing[peer.name] = str(error)
                print(f"\n{peer.name} is not measured: {error}", flush=True)
    return rows, missing


def _one(name: str, running: AbstractContextManager[Target], loads: Sequence[Load]) -> list[Row]:
    with running as target:
        print(f"\n{name}", flush=True)
        show_heads()
        return [show(measure(target, load)) for load in loads]


def _report(rows: Sequence[Row], missing: dict[str, str], peers: Sequence[Peer]) -> str:
    when = datetime.now(UTC).date().isoformat()
    parts = ["# Results of `make bench-peers`", f"Measured on {when}, one after the other. {about()}."]
    parts += ["Ratios say how many times better Nodexa was in this run; below 1 it was worse.", _ratios(rows)]
    parts += ["## nodexa", table(row for row in rows if row.server == "nodexa")]
    for peer in peers:
        own = [row for row in rows if row.server == peer.name]
        if peer.name in missing:
            parts += [f"## {peer.name}", f"Not measured: {missing[peer.name]}"]
        else:
            parts += [f"## {peer.name} {version(peer)}", f"{peer.note}.", table(own)]
    return "\n\n".join(parts) + "\n"


def _ratios(rows: Sequence[Row]) -> str:
    by = {(row.server, row.load, row.connections): row for row in rows}
    names = list(dict.fromkeys(row.server for row in rows if row.server != "nodexa"))
    lines = []
    for own in (row for row in rows if row.server == "nodexa"):
        others = [by.get((name, own.load, own.connections)) for name in names]
        for words, figure, more in [*((*pair, True) for pair in MORE), *((*pair, False) for pair in LESS)]:
            cells = [_ratio(figure(own), _whole(other, figure), more=more) for other in others]
            if set(cells) != {"–"}:
                lines.append([f"{own.load}, {own.connections:,} connections: {words}", *cells])
    return markdown(["Nodexa against", *names], lines)


def _whole(row: Row | None, figure: _Figure) -> float | None:
    """A figure of a load that went well: one that mostly failed says nothing."""
    return None if row is None or row.errors > row.requests / 10 else figure(row)


def _ratio(own: float | None, other: float | None, *, more: bool) -> str:
    if not own or not other:
        return "–"
    return f"{own / other if more else other / own:.2f}"


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
