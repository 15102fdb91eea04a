"""A point of a curve is measured again where the machine ran slowly; a curve is of the points that count."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from bench.gauge import Cost, Gauge, told
from bench.growth import FLAT, Series
from bench.target import Target

TARGET = Target("nodexa", 0, "mock")


def gauge(monkeypatch: pytest.MonkeyPatch, *, rounds: int, paces: Iterator[float], costs: Iterator[float]) -> Gauge:
    """One that thinks 0.3 ms the best pace; `paces` are two for each round."""
    monkeypatch.setattr("bench.gauge.best_pace", lambda: 0.3)
    monkeypatch.setattr("bench.gauge.pace_ms", lambda: next(paces))
    monkeypatch.setattr("bench.gauge.cost", lambda target, ask, *, repeats, seconds: (next(costs), 0.0))
    return Gauge(rounds=rounds, wait=0.0)


def test_what_was_measured_at_a_good_pace_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = gauge(monkeypatch, rounds=4, paces=repeat(0.3), costs=iter([5.0]))
    assert one.costs(TARGET, list) == [Cost(5.0, 0.3)]


def test_what_was_measured_at_a_slow_pace_is_measured_again_and_the_best_pace_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paces = chain([0.6, 0.6, 0.4, 0.4], repeat(0.5))
    one = gauge(monkeypatch, rounds=3, paces=paces, costs=iter([5.0, 9.0, 1.0]))
    seen = one.costs(TARGET, list)
    assert seen == [Cost(5.0, 0.6), Cost(9.0, 0.4), Cost(1.0, 0.5)]
    assert told(seen) == Cost(9.0, 0.4)


def test_a_single_round_looks_at_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gauge(monkeypatch, rounds=1, paces=repeat(7.0), costs=iter([5.0])).costs(TARGET, list) == [Cost(5.0, 7.0)]


def test_a_curve_is_of_the_points_that_count_and_all_are_kept() -> None:
    again = [Cost(4.0, 0.6), Cost(2.0, 0.3)]
    series = Series("a look-up", "responses", FLAT, [(10.0, [Cost(2.0, 0.3)]), (1000.0, again)])
    assert series.points == [(10.0, 2.0), (1000.0, 2.0)]
    assert series.steepness == 0.0
    assert [(record["number"], record["cpu"], record["round"], record["told"]) for record in series.raw()] == [
        *((10.0, 2.0, 1, True), (1000.0, 4.0, 1, False), (1000.0, 2.0, 2, True))
    ]


def test_what_grows_with_its_size_has_a_steepness_of_one() -> None:
    series = Series("bytes", "bytes", 1.15, [(size, [Cost(size / 10, 0.3)]) for size in (10.0, 100.0)])
    assert series.steepness == pytest.approx(1.0)
