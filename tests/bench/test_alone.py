"""The inner pieces are measured alone, and what they cost is written down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.report import kept


def test_a_piece_has_a_figure_in_both_reports(tmp_path: Path) -> None:
    short = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=1", "-k", "serialize or parse"]
    # Where tests run side by side, pytest-benchmark in a child of theirs would measure nothing.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    argv = [sys.executable, "-m", "bench.alone", "--out", str(tmp_path), *short]
    subprocess.run(argv, env=alone, check=True, timeout=100)
    rows = kept(tmp_path / "micro.jsonl")
    assert [row["load"] for row in rows] == ["serialize", "parse (small)", "parse (large)"]
    assert all(row["value"] > 0 for row in rows)
    assert "| parse (small)" in (tmp_path / "micro.md").read_text()
