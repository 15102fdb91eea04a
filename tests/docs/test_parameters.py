"""The README says what the bridge does with each request field."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_readme_shows_the_table_that_the_bridge_works_by() -> None:
    spec = importlib.util.spec_from_file_location("parameters", ROOT / "docs" / "parameters.py")
    assert spec is not None
    assert spec.loader is not None
    parameters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parameters)
    readme = (ROOT / "README.md").read_text()

    assert "`temperature`" in parameters.table()
    assert parameters.with_table(readme) == readme, "run: python docs/parameters.py"
