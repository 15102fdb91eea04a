"""Function results find their calls: in any order, each once, none left over."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from nodexa.v1.item_pb2 import Item

from service.errors import NodexaError
from service.runner.matching import match_calls
from tests.service.requests import call, output, user, words_of

ASKED = [user("Where?"), call("a"), call("b"), call("c")]
RESULTS = [output("a", "1"), output("b", "2"), output("c", "3")]


@pytest.mark.parametrize("order", list(itertools.permutations(RESULTS)), ids=lambda order: " ".join(words_of(order)))
def test_the_results_of_parallel_calls_are_taken_in_any_order(order: Sequence[Item]) -> None:
    assert match_calls(ASKED, order) == list(order)


def test_results_are_read_before_whatever_else_is_new() -> None:
    new = [user("And?"), *RESULTS[:2], user("Well?"), RESULTS[2]]

    assert words_of(match_calls(ASKED, new)) == ["→ 1", "→ 2", "→ 3", "And?", "Well?"]


def test_a_call_that_comes_with_its_own_result_stays_where_it_is() -> None:
    new = [user("Before"), call("x"), output("x", "9"), user("After")]

    assert match_calls([], new) == new


REFUSED = {
    "unknown": (ASKED, [*RESULTS, output("z", "0")], "unknown_call_id", "input[3].call_id"),
    "unknown without history": ([], [user("Hi"), output("a", "1")], "unknown_call_id", "input[1].call_id"),
    "twice in one request": (ASKED, [*RESULTS, RESULTS[0]], "unknown_call_id", "input[3].call_id"),
    "answered in an earlier turn": ([*ASKED, *RESULTS], [output("b", "2")], "unknown_call_id", "input[0].call_id"),
    "before its call": ([], [output("x", "1"), call("x")], "unknown_call_id", "input[0].call_id"),
    "one missing": (ASKED, RESULTS[:2], "missing_tool_output", "input"),
    "all missing": (ASKED, [user("Never mind")], "missing_tool_output", "input"),
    "an own call without its result": ([], [user("Hi"), call("x")], "missing_tool_output", "input"),
}


@pytest.mark.parametrize(("history", "new", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_match_is_refused(history: list[Item], new: list[Item], code: str, param: str) -> None:
    with pytest.raises(NodexaError) as refused:
        match_calls(history, new)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_second_answer_is_told_apart_from_an_unknown_call() -> None:
    with pytest.raises(NodexaError, match="was already answered"):
        match_calls([*ASKED, *RESULTS], [output("b", "2")])
    with pytest.raises(NodexaError, match="is not a call of this conversation"):
        match_calls(ASKED, [output("z", "2")])


def test_a_missing_result_is_named() -> None:
    with pytest.raises(NodexaError, match=r"look \(b\), look \(c\)"):
        match_calls(ASKED, [RESULTS[0]])
