"""`make bench-peers`: the same loads at Nodexa and at others like it, side by side, and how they compare."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import docs
from bench.loads import Load, Row, standard
from bench.machine import about, need_linux
from bench.peers import PEERS, Peer, install, started, version
from bench.processes import NotStartedError, allow_files, stop_like_ctrl_c, upstream
from bench.programs import programs
from bench.ratios import ratios_table, targets_table
from bench.report import HERE, keep, kept, slower, table
from bench.rounds import MEANWHILE, Way, side_by_side
from bench.target import serving

RAW: Final = HERE / "peers.jsonl"
USUAL: Final = {("JSON", 1), ("JSON", 64), ("SSE", 1), ("SSE", 64), ("SSE 50/s", 32), ("SSE 5/s", 500)}
"""Loads and connections: a server that answers thirty requests a second takes a minute for them."""
LASTS: Final = 6.0
"""Seconds: of thirty answers a second, each of 64 clients has two or three."""
TIMES: Final = 3
"""Rounds. From one to the next a ratio changes by a fifth and more."""
RATIOS: Final = (
    "How many times better Nodexa was; below 1 it was worse. A ratio is that of one round, in which each load was "
    "measured at one server soon after the other; here is the median of the rounds."
)
TABLES: Final = (
    f"{MEANWHILE} Each server's table has the round of the best pace, of those in which the disk didn't stand still if "
    "there are any."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, measures everybody, compares."""
    given = _parser().parse_args(arguments)
    need_linux("make bench-peers")
    allow_files(30_000)
    peers = [peer for peer in PEERS if peer.name in given.only]
    if given.install:
        _install(peers, given.python)
        return
    print(f"{about()}\n{programs().words}", flush=True)
    before = kept(RAW)
    loads = _loads(given.seconds or (1.0 if given.quick else LASTS), quick=given.quick, full=given.full)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        rows, missing = _all(peers, loads, Path(scratch), given)
    text = _report(rows, missing, peers)
    print(f"\n{text}")
    for words in slower([row.raw() for row in rows if row.server == "nodexa"], before):
        print(f"SLOWER: {words}")
    if given.out or not given.quick:
        folder: Path = given.out or HERE
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "peers.md").write_text(text)
        keep(folder / RAW.name, [row.raw() for row in rows])
    if not given.out and not given.quick:
        docs.fill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-peers", description="Measures Nodexa beside other servers.")
    parser.add_argument("--quick", action="store_true", help="few loads, short ones, nothing is written")
    parser.add_argument("--full", action="store_true", help="all loads of `make bench` but the 10,000 streams")
    parser.add_argument("--seconds", type=float, help="how long each load lasts (default: 6, with --quick 1)")
    parser.add_argument("--rounds", type=int, help="in how many each load is measured (default: 3, with --quick 1)")
    parser.add_argument(
        "--wait", type=float, default=0, help="seconds a load waits for a good pace and disk (default: 0)"
    )
    names = [peer.name for peer in PEERS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these peers alone")
    parser.add_argument("--python", nargs="+", default=[], help="paths of a python3.12 or so that is not on the PATH")
    parser.add_argument("--install", action="store_true", help="install the peers into .peers/ and measure nothing")
    parser.add_argument("--out", type=Path, help=f"where to write peers.md and peers.jsonl (default: {HERE.name}/)")
    return parser


def _install(peers: Sequence[Peer], pythons: Sequence[str]) -> None:
    for peer in peers:
        try:
            install(peer, pythons=pythons)
            print(f"{peer.name} {version(peer)} is installed", flush=True)
        except NotStartedError as error:
            print(f"{peer.name} is not installed: {error}", flush=True)


def _loads(seconds: float, *, quick: bool, full: bool) -> list[Load]:
    loads = standard(seconds, quick=quick)
    return [load for load in loads if quick or full or (load.name, load.connections) in USUAL]


def _all(
    peers: Sequence[Peer], loads: Sequence[Load], folder: Path, given: argparse.Namespace
) -> tuple[list[Row], dict[str, str]]:
    missing: dict[str, str] = {}
    with upstream(folder) as port:

        def way(peer: Peer) -> Way:
            url = f"http://127.0.0.1:{port}"
            return Way(peer.name, lambda own: started(peer, own, url, pythons=given.python), [loads])

        ways = [Way("nodexa", lambda own: serving(own, port), [loads]), *map(way, peers)]
        rounds = given.rounds or (1 if given.quick else TIMES)
        return side_by_side(ways, folder, rounds, missing, wait=given.wait), missing


def _report(rows: Sequence[Row], missing: dict[str, str], peers: Sequence[Peer]) -> str:
    when = datetime.now(UTC).date().isoformat()
    parts = [
        "# Results of `make bench-peers`",
        f"Measured on {when}, side by side: each load at one after the other. {about()}. {programs().words}",
        TABLES,
    ]
    parts += ["## Targets", targets_table(rows), "## Ratios", RATIOS, ratios_table(rows)]
    rows = [row for row in rows if row.told]
    parts += ["## nodexa", table(row for row in rows if row.server == "nodexa")]
    for peer in peers:
        own = [row for row in rows if row.server == peer.name]
        if peer.name in missing:
            parts += [f"## {peer.name}", f"Not measured: {missing[peer.name]}"]
        else:
            parts += [f"## {peer.name} {version(peer)}", f"{peer.note}.", table(own)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
