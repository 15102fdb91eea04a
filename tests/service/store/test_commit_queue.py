"""What waits for the writer's thread is taken together; many tokens have the next ones wait, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.store.commit import Asked, Batch, Request
from service.store.commit_queue import GROUP_LIMIT, MANY, PAUSE, CommitQueue
from service.store.daybook import ENTERED
from service.store.logs import APPENDED, BEGUN, ENDED
from service.store.rows import Rows


class Time:
    """A clock that goes on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def waiting(time: Time) -> CommitQueue:
    return CommitQueue(clock=time, sleep=time.sleep)


def rows(kind: Rows, count: int, *, more: int = 0) -> list[Asked]:
    """Rows of one event, and of `more` besides."""
    return [Batch(kind, [(f"resp_{n}", 7, 7 + more) for n in range(count)], [])]


def job() -> Asked:
    return Request(lambda db: None, ())


def taken(groups: Iterator[list[Asked]]) -> list[Asked]:
    return list(next(groups))


def test_all_that_has_come_is_taken_together_in_its_order(waiting: CommitQueue) -> None:
    first, second = job(), job()
    waiting.put([first])
    waiting.put([second])
    assert taken(waiting.groups()) == [first, second]


def test_a_group_ends_where_it_is_large_enough(waiting: CommitQueue) -> None:
    for _ in range(GROUP_LIMIT + 1):
        waiting.put([job()])
    groups = waiting.groups()
    assert [len(taken(groups)), len(taken(groups))] == [GROUP_LIMIT, 1]


@pytest.mark.parametrize("asked", [0, 1, 2])
def test_what_was_asked_for_before_the_end_is_still_taken(waiting: CommitQueue, asked: int) -> None:
    for _ in range(asked):
        waiting.put([job()])
    waiting.close()
    assert sum(map(len, waiting.groups())) == asked


@pytest.mark.parametrize("kind", [ENTERED, APPENDED])
def test_tokens_behind_many_tokens_wait_for_what_is_left_of_the_pause(
    waiting: CommitQueue, time: Time, kind: Rows
) -> None:
    groups = waiting.groups()
    waiting.put(rows(kind, MANY))
    next(groups)
    time.now += PAUSE / 4
    waiting.put(rows(kind, 1))
    next(groups)
    assert time.slept == [pytest.approx(PAUSE * 3 / 4)]


def test_tokens_that_come_during_the_pause_go_with_those_that_wait(time: Time) -> None:
    def sleep(_: float) -> None:
        meanwhile.put(rows(ENTERED, 3))

    meanwhile = CommitQueue(clock=time, sleep=sleep)
    groups = meanwhile.groups()
    meanwhile.put(rows(ENTERED, MANY))
    next(groups)
    meanwhile.put(rows(ENTERED, 1))
    assert len(taken(groups)) == 2


BEHIND = {
    "few tokens": (rows(ENTERED, MANY - 1), rows(ENTERED, 1)),
    "many tokens, an end": (rows(ENTERED, MANY), rows(ENDED, 1)),
    "many tokens, a token and a beginning": (rows(ENTERED, MANY), [*rows(ENTERED, 1), *rows(BEGUN, 1)]),
    "many tokens, a job": (rows(ENTERED, MANY), [job()]),
    "many tokens and an end": ([*rows(ENTERED, MANY), *rows(ENDED, 1)], rows(ENTERED, 1)),
    "many tokens that came together": (rows(ENTERED, MANY, more=1), rows(ENTERED, 1)),
    "many tokens, more that came together": (rows(ENTERED, MANY), rows(ENTERED, 1, more=40)),
    "many ends": (rows(ENDED, MANY), rows(ENTERED, 1)),
}


@pytest.mark.parametrize(("before", "behind"), BEHIND.values(), ids=BEHIND)
def test_nothing_else_waits(waiting: CommitQueue, time: Time, before: list[Asked], behind: list[Asked]) -> None:
    groups = waiting.groups()
    waiting.put(list(before))
    next(groups)
    waiting.put(list(behind))
    next(groups)
    assert time.slept == []


def test_tokens_that_come_after_the_pause_do_not_wait(waiting: CommitQueue, time: Time) -> None:
    groups = waiting.groups()
    waiting.put(rows(ENTERED, MANY))
    next(groups)
    time.now += PAUSE
    waiting.put(rows(ENTERED, 1))
    next(groups)
    assert time.slept == []


def test_the_pause_is_of_the_last_transaction_alone(waiting: CommitQueue, time: Time) -> None:
    groups = waiting.groups()
    for group in (rows(ENTERED, MANY), rows(ENTERED, 1), rows(ENTERED, 1)):
        waiting.put(group)
        next(groups)
    assert len(time.slept) == 1
