"""Ratios say how many times better Nodexa was in the middle round, whatever is better: more requests, or less time."""

from __future__ import annotations

from typing import Any

from bench.loads import Row
from bench.ratios import ratios_table, targets_table


def row(server: str, *, requests: int, **fields: Any) -> Row:
    known: dict[str, Any] = dict.fromkeys(Row.__dataclass_fields__)
    known |= {"server": server, "load": "JSON", "connections": 64, "requests": requests, "events": 0, "errors": 0}
    known["round"] = 1
    return Row(**(known | {"seconds": 1.0} | fields))


def test_more_requests_and_less_cpu_are_both_above_one() -> None:
    rows = [row("nodexa", requests=200, cpu_request=50.0), row("smg", requests=100, cpu_request=100.0)]
    lines = ratios_table(rows).splitlines()[2:]
    assert [line.split("|")[-2].strip() for line in lines] == ["2.00", "2.00"]


def test_a_target_against_a_peer_is_reached_or_missed() -> None:
    rows = [row("nodexa", requests=200), row("agentic-api", requests=100), row("litellm", requests=10)]
    lines = targets_table(rows).splitlines()[2:]
    assert [line.split("|")[-3].strip() for line in lines[:3]] == ["must", "MISSED", "not measured"]


def test_each_round_is_compared_with_itself_and_the_middle_one_counts() -> None:
    ours = [row("nodexa", requests=requests, round=number) for number, requests in enumerate((100, 400, 600))]
    theirs = [row("agentic-api", requests=requests, round=number) for number, requests in enumerate((100, 200, 100))]
    rows = [*ours, *theirs, row("agentic-api", requests=1, round=9)]

    assert ratios_table(rows).splitlines()[2].split("|")[-2].strip() == "2.00"
    assert [cell.strip() for cell in targets_table(rows).splitlines()[2].split("|")[3:-1]] == [
        *("2.00", "must", "1.00, 2.00, 6.00")
    ]


def test_a_load_that_mostly_failed_in_any_round_is_compared_with_nothing() -> None:
    rows = [row("nodexa", requests=200), row("agentic-api", requests=100)]
    rows += [row("nodexa", requests=200, round=2), row("agentic-api", requests=100, errors=50, round=2)]
    assert "not measured" in targets_table(rows).splitlines()[2]
