"""What a run reached of its targets, what became slower, and where the page of the documentation says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.docs import PAGE, filled, section
from bench.goals import GOALS, Goal, goals_table
from bench.report import HERE, slower


def json_row(**fields: Any) -> dict[str, Any]:
    row = {"server": "nodexa", "load": "JSON", "connections": 64, "requests": 9_000, "seconds": 3.0, "errors": 0}
    return row | {"cpu_request": 500.0, "cpu_event": None} | fields


def test_a_figure_reaches_its_must_its_aim_or_neither() -> None:
    less, more = Goal("", 2, 1, lambda _: None), Goal("", 10, 20, lambda _: None, more=True)
    assert [less.verdict(value) for value in (1, 1.5, 2.5, None)] == ["aim", "must", "MISSED", "not measured"]
    assert [more.verdict(value) for value in (20, 10, 9)] == ["aim", "must", "MISSED"]


def test_every_target_has_a_line_and_a_load_with_errors_reaches_none() -> None:
    lines = goals_table([json_row()]).splitlines()[2:]
    assert len(lines) == len(GOALS)
    assert "3,000 |         must" in lines[0]
    assert "not measured" in goals_table([json_row(errors=1)]).splitlines()[2]


def test_what_costs_a_fifth_more_than_it_did_is_told() -> None:
    told = slower([json_row(cpu_request=601.0)], [json_row()])
    assert told == ["nodexa, JSON, 64 connections: 601.0 µs of CPU a request, 1.20 times the committed 500.0"]


def test_what_is_within_a_fifth_or_was_not_measured_before_is_not_told() -> None:
    assert slower([json_row(cpu_request=599.0)], [json_row()]) == []
    assert slower([json_row(cpu_request=900.0)], [json_row(connections=16)]) == []


def test_a_fact_that_grew_is_told_with_its_unit() -> None:
    def fact(value: float) -> dict[str, Any]:
        return {"server": "nodexa", "load": "fact", "name": "memory, idle", "value": value, "unit": "MB"}

    assert slower([fact(130)], [fact(100)]) == ["nodexa, fact, memory, idle: 130.0 MB, 1.30 times the committed 100.0"]


def test_a_place_of_the_page_is_filled_with_its_section(tmp_path: Path) -> None:
    (tmp_path / "results.md").write_text("# All\n\n## Targets\n\n| new |\n\n## Other\n\nmore\n")
    page = "<!-- results.md: Targets -->\n| old |\n<!-- end -->\nafter <!-- results.md: Gone -->\nkept\n<!-- end -->\n"
    text = filled(page, tmp_path)
    assert "| new |\n<!-- end -->\nafter" in text
    assert "| old |" not in text
    assert "kept" in text


def test_every_place_of_the_documentation_has_a_report_to_fill_it() -> None:
    page = PAGE.read_text()
    places = [line[5:-4].split(": ", 1) for line in page.splitlines() if line.startswith("<!-- ") and ".md: " in line]
    assert [place for place in places if section(HERE / place[0], place[1]) is None] == []
