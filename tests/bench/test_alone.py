"""The inner pieces are measured alone, and what they cost is written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.report import kept


def test_a_piece_has_a_figure_in_both_reports(tmp_path: Path) -> None:
    short = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=1", "-k", "serialize or parse"]
    subprocess.run([sys.executable, "-m", "bench.alone", "--out", str(tmp_path), *short], check=True, timeout=100)
    rows = kept(tmp_path / "micro.jsonl")
    assert [row["load"] for row in rows] == ["serialize", "parse (small)", "parse (large)"]
    assert all(row["value"] > 0 for row in rows)
    assert "| parse (small)" in (tmp_path / "micro.md").read_text()
