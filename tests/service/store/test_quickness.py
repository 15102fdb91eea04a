"""A disk that is quick is waited for by the loop; one that isn't, by the thread, for a while."""

from __future__ import annotations

import time

import pytest

from service.store.quickness import QUICK, REST, Quickness


class Clock:
    """Seconds that stand still until they are set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_disk_is_quick_until_it_was_waited_for() -> None:
    quickness = Quickness(clock=Clock())
    for _ in range(1000):
        quickness.took(QUICK / 2)
    assert quickness


def test_one_long_wait_counts_for_a_while_and_is_then_forgotten() -> None:
    quickness = Quickness(clock=(clock := Clock()))
    quickness.took(0.1)
    assert not quickness
    clock.now += REST
    assert quickness
    quickness.took(QUICK / 2)
    assert quickness


def test_one_wait_that_is_hardly_too_long_counts_for_nothing_and_many_do() -> None:
    quickness = Quickness(clock=Clock())
    quickness.took(4 * QUICK)
    assert quickness
    taken = 1
    while quickness and taken < 16:
        quickness.took(4 * QUICK)
        taken += 1
    assert 2 < taken < 16


def test_only_time_without_the_cpu_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.store.quickness.QUICK", 0.01)
    quickness, until = Quickness(), time.thread_time() + 0.3

    assert quickness.seen_in(lambda told: [told for _ in iter(lambda: time.thread_time() < until, False)][:1], "told")
    assert quickness.seen_in(lambda told: told, "told") == "told"
    quickness.seen_in(time.sleep, 0.3)
    assert not quickness


def test_a_write_that_fails_was_waited_for_too() -> None:
    def fail(seconds: float) -> None:
        time.sleep(seconds)
        raise LookupError("on purpose")

    quickness = Quickness()
    with pytest.raises(LookupError):
        quickness.seen_in(fail, 0.1)
    assert not quickness
