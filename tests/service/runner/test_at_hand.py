"""What is kept at hand is asked for once by many, and is never older than a second."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.errors import NodexaError
from service.runner.at_hand import AtHand

AskFor = Callable[[], Awaitable[str | None]]


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Answers:
    """Answers in their order, each when it is let go."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self._open = asyncio.Semaphore(0)
        self.asked = 0

    async def __call__(self) -> str | None:
        answer = self._answers[self.asked]
        self.asked += 1
        await self._open.acquire()
        return answer

    def let_go(self) -> None:
        self._open.release()


async def wanted(at_hand: AtHand[str, str], answers: AskFor, times: int) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(at_hand.get("name", answers)) for _ in range(times)]
    # Each has begun when the last has.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_many_who_want_the_same_ask_once() -> None:
    at_hand, answers = AtHand[str, str](most=10), Answers("one")
    tasks = await wanted(at_hand, answers, 64)
    answers.let_go()
    assert await asyncio.gather(*tasks) == ["one"] * 64
    assert answers.asked == 1
    assert at_hand.find("name") == "one"


async def test_who_asked_first_may_leave() -> None:
    at_hand, answers = AtHand[str, str](most=10), Answers("one")
    first, second = await wanted(at_hand, answers, 2)
    first.cancel()
    answers.let_go()
    assert await second == "one"
    assert answers.asked == 1


async def test_what_is_older_than_a_second_is_asked_anew() -> None:
    clock = Clock()
    at_hand, answers = AtHand[str, str](most=10, clock=clock), Answers("one", "two")
    answers.let_go()
    answers.let_go()
    assert await at_hand.get("name", answers) == "one"
    clock.now += 0.89
    assert await at_hand.get("name", answers) == "one"
    clock.now += 0.12
    assert await at_hand.get("name", answers) == "two"


async def test_while_one_asks_the_others_take_what_is_at_hand_until_its_second_is_over() -> None:
    clock = Clock()
    at_hand, answers = AtHand[str, str](most=10, clock=clock), Answers("one", "two")
    answers.let_go()
    await at_hand.get("name", answers)
    clock.now += 0.95
    [task] = await wanted(at_hand, answers, 1)
    assert at_hand.find("name") == "one"
    clock.now += 0.06
    assert at_hand.find("name") is None
    answers.let_go()
    assert await task == "two"


async def test_an_answer_that_takes_long_is_not_waited_for_by_who_comes_later() -> None:
    clock = Clock()
    at_hand, answers = AtHand[str, str](most=10, clock=clock), Answers("before", "after")
    [early] = await wanted(at_hand, answers, 1)
    clock.now += 1
    [late] = await wanted(at_hand, answers, 1)
    answers.let_go()
    answers.let_go()
    assert (await early, await late) == ("before", "after")
    assert at_hand.find("name") == "after"


async def test_what_was_asked_before_a_change_is_not_kept() -> None:
    at_hand, answers = AtHand[str, str](most=10), Answers("before", "after")
    [early] = await wanted(at_hand, answers, 1)
    at_hand.forget()
    answers.let_go()
    assert await early == "before"
    assert at_hand.find("name") is None
    answers.let_go()
    assert await at_hand.get("name", answers) == "after"


async def test_nothing_is_kept_of_what_is_not_there() -> None:
    at_hand, answers = AtHand[str, str](most=10), Answers(None, "one")
    answers.let_go()
    answers.let_go()
    assert await at_hand.get("name", answers) is None
    assert await at_hand.get("name", answers) == "one"


async def test_what_is_gone_is_no_longer_at_hand() -> None:
    clock = Clock()
    at_hand, answers = AtHand[str, str](most=10, clock=clock), Answers("one", None)
    answers.let_go()
    answers.let_go()
    await at_hand.get("name", answers)
    clock.now += 2
    assert await at_hand.get("name", answers) is None
    assert at_hand.find("name") is None


async def test_an_error_reaches_all_and_is_not_kept() -> None:
    at_hand = AtHand[str, str](most=10)

    async def refuse() -> str | None:
        await asyncio.sleep(0)
        raise NodexaError("storage_unavailable", "The database can't be used now; try again.")

    tasks = await wanted(at_hand, refuse, 3)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NodexaError] * 3
    answers = Answers("one")
    answers.let_go()
    assert await at_hand.get("name", answers) == "one"


async def test_what_did_not_change_stays_the_same_object() -> None:
    clock = Clock()
    at_hand = AtHand[str, list[str]](most=10, clock=clock)

    async def read() -> list[str] | None:
        return ["one"]

    first = await at_hand.get("name", read)
    clock.now += 2
    assert await at_hand.get("name", read) is first


@pytest.mark.parametrize("names", [10, 100])
async def test_it_holds_no_more_than_it_may(names: int) -> None:
    at_hand = AtHand[str, str](most=10)

    async def read() -> str | None:
        return "one"

    for number in range(names):
        await at_hand.get(f"name {number}", read)
    assert sum(at_hand.find(f"name {number}") is not None for number in range(names)) == 10
