"""Of several rounds the one counts in which the machine ran fastest, and an error is not measured away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.disk import STILL, quiet, watched
from bench.goals import goals_table
from bench.loads import Load, Row
from bench.pace import best_pace, pace_ms, wait_for
from bench.processes import NotStartedError
from bench.rounds import Way, come_to_rest, in_rounds, side_by_side, told, wanting
from bench.shape import Shape
from bench.target import Target

LOAD = Load("JSON", 64, stream=False, shape=Shape(8))


def row(*, pace: float, server: str = "nodexa", requests: int = 3_000, **fields: Any) -> Row:
    known: dict[str, Any] = dict.fromkeys(Row.__dataclass_fields__) | {"told": True, "round": 1, "errors": 0}
    known |= {"disk": 0.0, "server": server, "load": LOAD.name, "connections": LOAD.connections, "requests": requests}
    return Row(**(known | {"pace": pace, "seconds": 1.0} | fields))


def test_the_round_of_the_best_pace_counts_whatever_was_measured_in_it() -> None:
    rows = told([row(pace=1.0, requests=9_000), row(pace=0.7, server="mock"), row(pace=0.5, round=2)])
    assert [(each.server, each.told) for each in rows] == [("nodexa", False), ("nodexa", True), ("mock", True)]


def test_a_round_with_an_error_counts_before_a_faster_one() -> None:
    assert [each.told for each in told([row(pace=1.0, errors=1), row(pace=0.5, round=2)])] == [True, False]


def test_a_round_in_which_the_disk_stood_still_counts_only_where_there_is_no_other() -> None:
    assert [each.told for each in told([row(pace=0.4, disk=50.0), row(pace=0.5, disk=3.0, round=2)])] == [False, True]
    assert [each.told for each in told([row(pace=0.4, disk=50.0), row(pace=0.5, disk=90.0, round=2)])] == [True, False]


def test_what_was_measured_while_the_disk_stood_still_is_measured_again() -> None:
    way, other = Way("nodexa", _nowhere, [[LOAD]]), row(pace=0.5, server="mock")
    assert list(wanting(way, [LOAD], [row(pace=0.5, disk=21.0), other])) == [LOAD]
    assert list(wanting(way, [LOAD], [row(pace=0.5, disk=19.0), other])) == []


def test_the_slowest_page_is_told_once_it_is_over(tmp_path: Path) -> None:
    with watched(tmp_path) as slowest_page:
        assert slowest_page() == 0.0
    assert 0 < slowest_page() < 60_000


@pytest.mark.parametrize(("slowest", "moves"), [(STILL, True), (STILL + 1, False)])
def test_a_disk_is_quiet_where_no_page_took_too_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, slowest: float, moves: bool
) -> None:
    pages = iter([1.0, slowest])
    monkeypatch.setattr("bench.disk._page_ms", lambda page: next(pages, 1.0))
    assert quiet(tmp_path, 0.1) is moves


def test_a_load_waits_until_the_disk_was_quiet_a_few_times_in_a_row() -> None:
    looks = iter([True, True, False])
    seen: list[bool] = []

    def disk(_: float) -> bool:
        seen.append(next(looks, True))
        return seen[-1]

    wait_for(1e9, 60.0, quiet=disk)
    assert seen == [True, True, False, *[True] * 4]


def test_what_was_measured_at_a_slow_pace_is_measured_again() -> None:
    way, other = Way("nodexa", _nowhere, [[LOAD]]), row(pace=0.5, server="mock")
    assert list(wanting(way, [LOAD], [])) == [LOAD]
    assert list(wanting(way, [LOAD], [row(pace=0.6), other])) == [LOAD]
    assert list(wanting(way, [LOAD], [row(pace=0.54), row(pace=0.6), other])) == []
    assert list(wanting(way, [LOAD], [row(pace=0.6, errors=1), other])) == []


def test_a_server_that_does_not_start_is_missing_with_its_words(tmp_path: Path) -> None:
    missing: dict[str, str] = {}
    assert in_rounds([Way("nodexa", _nowhere, [[LOAD]])], tmp_path, 2, missing) == []
    assert missing == {"nodexa": "no room"}


def test_side_by_side_each_load_meets_all_servers_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces = iter([0.5, 0.5, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6])
    asked, running = [], set()

    @contextmanager
    def server(name: str, folder: Path) -> Iterator[Target]:
        assert folder.parent.is_dir()
        running.add(name)
        yield Target(name, 0, "mock")
        running.remove(name)

    def measure(target: Target, load: Load) -> Row:
        assert running == {"nodexa", "mock"}
        asked.append((target.name, load.name))
        return row(pace=next(paces), server=target.name, load=load.name, events=0, error="")

    monkeypatch.setattr("bench.rounds.measure", measure)
    monkeypatch.setattr("bench.rounds.watched", lambda folder: nullcontext(lambda: 0.0))
    monkeypatch.setattr("bench.rounds.LOOK", 0.01)
    loads, missing = [[LOAD, replace(LOAD, name="SSE")]], dict[str, str]()
    ways = [Way(name, partial(server, name), loads) for name in ("nodexa", "mock")]

    rows = side_by_side([*ways, Way("gone", _nowhere, loads)], tmp_path, 2, missing)

    first = [("nodexa", "JSON"), ("mock", "JSON"), ("nodexa", "SSE"), ("mock", "SSE")]
    assert asked == [*first, *first], "each round has all loads at all servers"
    assert [(each.server, each.load, each.round) for each in rows if each.told] == [
        *(("nodexa", "JSON", 1), ("mock", "JSON", 1), ("nodexa", "SSE", 2), ("mock", "SSE", 1))
    ]
    assert missing == {"gone": "no room"}
    assert not running


def test_a_server_is_waited_for_until_it_has_done_what_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([1.0, 1.4, 1.5, 1.5001, 9.0])
    monkeypatch.setattr("bench.rounds.LOOK", 0.01)
    monkeypatch.setattr("bench.rounds.cpu_seconds", lambda pids: next(used))

    come_to_rest(Target("nodexa", 0, "mock"))

    assert next(used) == 9.0


def test_a_server_that_never_rests_is_waited_for_a_while_and_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    used = iter(range(1000))
    monkeypatch.setattr("bench.rounds.LOOK", 0.01)
    monkeypatch.setattr("bench.rounds.REST_SECONDS", 0.05)
    monkeypatch.setattr("bench.rounds.cpu_seconds", lambda pids: next(used))

    come_to_rest(Target("nodexa", 0, "mock"))

    assert capsys.readouterr().out.startswith("nodexa still works")


def test_the_targets_say_from_where_to_where_the_rounds_went() -> None:
    rows = told([row(pace=1.0, requests=1_000), row(pace=0.5, round=2)])
    line = goals_table([each.raw() for each in rows]).splitlines()[2]
    assert [cell.strip() for cell in line.split("|")[4:7]] == ["3,000", "must", "1,000 – 3,000"]


def test_the_pace_of_the_machine_is_some_time() -> None:
    assert pace_ms() > 0


def test_a_load_waits_for_the_best_pace_and_not_for_ever() -> None:
    assert 0 < best_pace(0.3) < 1_000
    wait_for(1_000_000.0, 86_400)  # any pace is as good as that one
    wait_for(0.0, 0.1)


def _nowhere(folder: Path) -> AbstractContextManager[Target]:
    raise NotStartedError("no room")
