"""`make bench-micro`: the inner pieces, each alone, by pytest-benchmark; writes micro.md, says what became slower."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from bench import docs
from bench.machine import about
from bench.report import HERE, keep, kept, markdown, slower

PIECES: Final = HERE / "micro"
RAW: Final = HERE / "micro.jsonl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmarks; the exit status is pytest's."""
    parser = argparse.ArgumentParser(prog="make bench-micro", description="Measures the inner pieces, each alone.")
    parser.add_argument("--out", type=Path, help=f"where to write micro.md and micro.jsonl (default: {HERE.name}/)")
    given, more = parser.parse_known_args(arguments)
    before = kept(RAW)
    print(about(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        told = Path(folder) / "told.json"
        options = ["-q", "-p", "no:cacheprovider", "--benchmark-columns=median,ops", "--benchmark-sort=name"]
        # The clock of the process: what others do on the machine doesn't count.
        options += ["--benchmark-timer=time.process_time", f"--benchmark-json={told}"]
        status = int(pytest.main([str(PIECES), *options, *more]))
        records = list(_records(json.loads(told.read_text() or "{}"))) if told.exists() else []
    for words in slower(records, before):
        print(f"SLOWER: {words}")
    # A choice of them (-k) is no report.
    if status == 0 and (given.out or not more):
        _write(given.out or HERE, records)
    if status == 0 and not more and not given.out:
        docs.fill()
    return status


def _records(told: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for one in told.get("benchmarks", ()):
        name = one["name"].removeprefix("test_").replace("[_", " (").replace("]", ")").replace("_", " ")
        yield {"load": name, "value": one["stats"]["median"] * 1e6, "unit": "µs"}


def _write(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    lines = [[record["load"], f"{record['value']:,.0f}"] for record in records]
    head = f"# Results of `make bench-micro`\n\nMeasured on {datetime.now(UTC).date().isoformat()}. {about()}."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "micro.md").write_text(f"{head}\n\n## Pieces\n\n{markdown(['piece', 'CPU µs, median'], lines)}\n")
    keep(folder / RAW.name, records)


if __name__ == "__main__":
    sys.exit(main())
