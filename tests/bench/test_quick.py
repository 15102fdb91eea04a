"""The benchmark runs: what it measures is nobody's promise, so nothing here looks at a number."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.report import kept

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads CPU times from /proc")


@pytest.mark.slow
def test_a_quick_bench_measures_every_load_without_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--seconds", "0.2", "--connections", "1", "--turns", "3", "--out", str(tmp_path)])
    rows = kept(tmp_path / "results.jsonl")
    assert {row["load"] for row in rows} == {"JSON", "SSE", "SSE 50/s", "turn"}
    assert {row.get("error", "") for row in rows} == {""}
    assert "## A long thread" in (tmp_path / "results.md").read_text()
    assert "added a token" in capsys.readouterr().out
