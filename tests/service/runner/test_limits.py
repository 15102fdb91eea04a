"""Keys and organizations get what their limits say; the time is the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodexa.v1.admin_pb2 import Limits
from nodexa.v1.response_pb2 import Usage

from service.runner.caller import Caller
from service.runner.limits import FREE, Limiter, LimitError, Permit, Rate


class Hand:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.time = 0

    def __call__(self) -> int:
        return self.time


def caller(key: Limits | None = None, org: Limits | None = None, *, key_id: str = "key_1") -> Caller:
    return Caller(org_id="org_1", key_id=key_id, key_limits=key, org_limits=org)


def limiter_of(now: Callable[[], int], known: Caller | None = None) -> Limiter:
    """A limiter that finds the limits of `known` for whoever isn't there."""

    async def limits_of(key_id: str) -> tuple[Limits | None, Limits | None]:
        return (known.key_limits, known.org_limits) if known else (None, None)

    return Limiter(now, limits_of)


def refused(limiter: Limiter, caller: Caller) -> LimitError:
    with pytest.raises(LimitError) as caught:
        limiter.enter(caller)
    return caught.value


def test_who_has_no_limits_is_never_counted() -> None:
    limiter = limiter_of(Hand())

    assert all(limiter.enter(caller()) is FREE for _ in range(1000))


def test_requests_are_let_in_until_none_is_left_and_again_when_one_is_there() -> None:
    hand = Hand()
    limiter, who = limiter_of(hand), caller(Limits(requests_per_minute=2))
    for _ in range(2):
        limiter.enter(who).leave()

    refusal = refused(limiter, who)

    assert (refusal.code, refusal.retry_after) == ("rate_limit_exceeded", 30)
    assert refusal.message == "This API key may use 2 requests a minute, and none is left; try again in 30 s."
    assert refusal.standing == {"requests": Rate(2, 0, 60_000)}
    hand.time = 29_999
    assert refused(limiter, who).retry_after == 0.001
    hand.time = 30_000
    limiter.enter(who)


def test_a_refusal_costs_nothing() -> None:
    hand = Hand()
    limiter, who = limiter_of(hand), caller(Limits(requests_per_minute=60))
    for _ in range(60):
        limiter.enter(who).leave()

    for _ in range(100):
        assert refused(limiter, who).retry_after == 1

    hand.time = 1_000
    limiter.enter(who)


def test_tokens_are_charged_when_they_are_known_and_a_debt_is_waited_for() -> None:
    hand = Hand()
    limiter, who = limiter_of(hand), caller(Limits(tokens_per_minute=60))
    first, second = limiter.enter(who), limiter.enter(who)
    assert limiter.standing(who) == {"tokens": Rate(60, 60, 0)}

    first.leave(Usage(input_tokens=40, output_tokens=20))
    second.leave(Usage(input_tokens=30))

    refusal = refused(limiter, who)
    assert (refusal.retry_after, refusal.standing) == (31, {"tokens": Rate(60, 0, 90_000)})
    assert "60 tokens a minute" in refusal.message
    hand.time = 31_000
    limiter.enter(who).leave()


def test_tokens_that_nobody_counted_are_not_charged() -> None:
    limiter, who = limiter_of(Hand()), caller(Limits(tokens_per_minute=10))

    limiter.enter(who).leave()
    limiter.enter(who).leave(Usage())

    assert limiter.standing(who) == {"tokens": Rate(10, 10, 0)}


def test_only_so_many_run_at_a_time() -> None:
    limiter, who = limiter_of(Hand()), caller(Limits(concurrent_runs=2))
    first = limiter.enter(who)
    limiter.enter(who)

    refusal = refused(limiter, who)
    assert (refusal.retry_after, refusal.standing) == (1, {})
    assert "may have 2 running at the same time" in refusal.message
    first.leave()
    first.leave()
    limiter.enter(who)
    refused(limiter, who)


def test_a_place_is_given_back_at_the_end_of_its_block_unless_it_is_kept() -> None:
    limiter, who = limiter_of(Hand()), caller(Limits(concurrent_runs=1))
    with pytest.raises(ValueError, match="no good"), limiter.enter(who):
        raise ValueError("no good")
    with limiter.enter(who) as permit:
        permit.keep()

    refused(limiter, who)
    permit.leave()
    limiter.enter(who)


def test_keys_of_an_organization_share_its_limits_and_not_each_other_s() -> None:
    limiter = limiter_of(Hand())
    one, two = (
        caller(Limits(requests_per_minute=1), Limits(requests_per_minute=2), key_id=name) for name in ("key_1", "key_2")
    )
    three = caller(org=Limits(requests_per_minute=2), key_id="key_3")
    limiter.enter(one)
    assert refused(limiter, one).message.startswith("This API key may use 1 request a minute")
    limiter.enter(two)

    refusal = refused(limiter, three)

    assert refusal.message.startswith("This API key's organization may use 2 requests a minute")
    assert refusal.standing == {"requests": Rate(2, 0, 60_000)}


def test_of_several_reasons_the_one_that_lasts_longest_is_told() -> None:
    limiter, who = (
        limiter_of(Hand()),
        caller(Limits(requests_per_minute=1, concurrent_runs=1), Limits(tokens_per_minute=6)),
    )
    limiter.enter(who)
    assert refused(limiter, who).retry_after == 60

    limiter.enter(caller(org=Limits(tokens_per_minute=6), key_id="key_2")).leave(Usage(output_tokens=60))

    refusal = refused(limiter, who)
    assert refusal.message.startswith("This API key's organization may use 6 tokens")
    assert refusal.retry_after == 550
    assert refusal.standing == {"requests": Rate(1, 0, 60_000), "tokens": Rate(6, 0, 600_000)}


def test_of_two_limits_the_tighter_one_is_told() -> None:
    limiter = limiter_of(Hand())
    who = caller(Limits(requests_per_minute=5), Limits(requests_per_minute=3))

    limiter.enter(who)

    assert limiter.standing(who) == {"requests": Rate(3, 2, 20_000)}


def test_a_changed_limit_holds_from_the_next_request_on() -> None:
    limiter = limiter_of(Hand())
    limiter.enter(caller(Limits(requests_per_minute=1)))
    refused(limiter, caller(Limits(requests_per_minute=1)))

    limiter.enter(caller(Limits(tokens_per_minute=1)))
    limiter.enter(caller(Limits(requests_per_minute=9)))

    assert limiter.standing(caller(Limits(requests_per_minute=9))) == {"requests": Rate(9, 8, 6_667)}


def tried(limiter: Limiter, caller: Caller) -> Permit | LimitError:
    try:
        return limiter.enter(caller)
    except LimitError as refusal:
        return refusal


@given(st.integers(1, 600), st.integers(1, 5), st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=200))
def test_in_any_time_no_more_is_let_in_than_the_limits_allow(
    limit: int, most: int, steps: list[tuple[int, bool]]
) -> None:
    hand = Hand()
    limiter, who = limiter_of(hand), caller(Limits(requests_per_minute=limit), Limits(concurrent_runs=most))
    entered, running = 0, []
    for wait, ends in steps:
        hand.time += wait
        answer = tried(limiter, who)
        if isinstance(answer, Permit):
            running.append(answer)
            entered += 1
        if ends and running:
            running.pop().leave()
        assert len(running) <= most
        assert entered <= limit + hand.time * limit / 60_000


@given(st.integers(1, 600), st.integers(0, 60_000))
def test_who_waits_as_long_as_it_was_told_is_let_in(limit: int, spread: int) -> None:
    hand = Hand()
    limiter, who = limiter_of(hand), caller(Limits(requests_per_minute=limit))
    while isinstance(answer := tried(limiter, who), Permit):
        hand.time += spread // limit // 2

    hand.time += round((answer.retry_after or 0) * 1000)
    limiter.enter(who)


async def test_a_run_that_was_let_in_before_is_counted_and_never_refused() -> None:
    who = caller(Limits(tokens_per_minute=60, concurrent_runs=1))
    limiter = limiter_of(Hand(), who)

    again = [await limiter.resume(caller()) for _ in range(3)]

    assert "1 running at the same time" in refused(limiter, who).message
    again[0].leave(Usage(input_tokens=30))
    assert limiter.standing(who)["tokens"].remaining == 30
    assert "1 running at the same time" in refused(limiter, who).message
    for place in again[1:]:
        place.leave()
    limiter.enter(who)


async def test_a_run_without_limits_that_was_let_in_before_is_not_counted() -> None:
    assert await limiter_of(Hand()).resume(caller()) is FREE
