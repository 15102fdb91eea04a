"""A bucket gives what its limit says and never more, and the wait that it names is exact."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.runner.bucket import MINUTE, Bucket, full

LIMITS = st.integers(1, 1_000_000_000)
TIMES = st.integers(0, 10**12)
BUCKETS = st.builds(lambda limit, used, at: full(limit, at).without(used), LIMITS, st.integers(0, 2_000_000_000), TIMES)


@given(BUCKETS, st.integers(0, 10 * MINUTE))
def test_it_never_holds_more_than_its_limit(bucket: Bucket, later: int) -> None:
    assert bucket.refilled(bucket.at + later).remaining <= bucket.limit


@given(BUCKETS)
def test_after_the_wait_one_unit_is_there_and_a_millisecond_before_none(bucket: Bucket) -> None:
    assert bucket.refilled(bucket.at + bucket.wait).remaining >= 1
    if bucket.wait:
        assert bucket.refilled(bucket.at + bucket.wait - 1).remaining == 0
        assert bucket.remaining == 0


@given(BUCKETS)
def test_at_its_reset_it_is_full_and_a_millisecond_before_not(bucket: Bucket) -> None:
    assert bucket.refilled(bucket.at + bucket.reset).remaining == bucket.limit
    if bucket.reset:
        early = bucket.refilled(bucket.at + bucket.reset - 1)
        assert early.level < bucket.limit * MINUTE


@given(BUCKETS, st.lists(st.integers(0, MINUTE), max_size=9))
def test_looking_often_changes_nothing(bucket: Bucket, steps: list[int]) -> None:
    often = bucket
    for step in steps:
        often = often.refilled(often.at + step)

    assert often == bucket.refilled(bucket.at + sum(steps))


@given(LIMITS, TIMES)
def test_a_full_one_that_is_emptied_is_full_again_in_a_minute(limit: int, now: int) -> None:
    empty = full(limit, now).without(limit)

    assert (empty.remaining, empty.reset) == (0, MINUTE)
    assert empty.refilled(now + MINUTE) == full(limit, now + MINUTE)


@given(BUCKETS, st.integers(1, 10**9))
def test_a_clock_that_goes_back_adds_nothing(bucket: Bucket, back: int) -> None:
    assert bucket.refilled(bucket.at - back).level == bucket.level


@given(BUCKETS, LIMITS)
def test_another_limit_gives_nothing_back_that_was_used(bucket: Bucket, limit: int) -> None:
    changed = bucket.changed(limit)

    assert changed.level <= bucket.level
    assert changed.remaining <= limit


def test_a_debt_is_paid_before_anything_is_there_again() -> None:
    bucket = full(60, 0).without(100)

    assert (bucket.remaining, bucket.wait, bucket.reset) == (0, 41_000, 100_000)
