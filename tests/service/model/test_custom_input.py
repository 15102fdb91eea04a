"""A custom tool's text comes out of function arguments as soon as it is certain, and is the same in the end."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.custom_input import CustomInput, parse_input


def decoded(pieces: list[str]) -> list[str]:
    decoder = CustomInput()
    return [*(decoder.feed(piece) for piece in pieces), decoder.rest()]


@settings(max_examples=200, deadline=None)
@given(text=st.text(), cuts=st.lists(st.integers(0, 60), max_size=8), ascii_only=st.booleans())
def test_wherever_the_arguments_are_cut_the_text_is_whole(text: str, cuts: list[int], *, ascii_only: bool) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    places = [0, *sorted(cuts), len(arguments)]
    pieces = [arguments[start:end] for start, end in itertools.pairwise(places)]

    assert "".join(decoded(pieces)) == text == parse_input(arguments)


def test_text_is_given_out_as_it_comes() -> None:
    assert decoded(['{"inp', 'ut": "l', "s -", "l\\", 'n"', "}"]) == ["", "l", "s -", "l", "\n", "", ""]


def test_half_a_character_waits_for_its_other_half() -> None:
    assert decoded(['{"input":"\\ud83d', '\\ude00"}']) == ["", "😀", ""]


def test_arguments_that_begin_otherwise_are_read_at_the_end() -> None:
    assert decoded(['{"why": 1, ', '"input": "ls"}']) == ["", "", "ls"]
    assert decoded([*(" " * 100), '{"input": "ls"}'])[-1] == "ls"


def test_arguments_that_were_cut_give_what_was_certain() -> None:
    assert decoded(['{"input": "ls \\u00']) == ["ls ", ""]
    assert decoded(['{"why": 1, "input": "l']) == ["", ""]


def test_a_line_break_that_was_not_escaped_is_one() -> None:
    assert "".join(decoded(['{"input": "a\nb"}'])) == "a\nb" == parse_input('{"input": "a\nb"}')


@pytest.mark.parametrize(
    "arguments",
    ["", "ls", "[]", "{}", '{"input": 1}', '{"input": "a', '{"input": "\\ud83d"}', '{"input": "\\x"}', "[" * 100_000],
)
def test_arguments_without_a_text_are_told(arguments: str) -> None:
    assert parse_input(arguments) is None


def test_what_can_be_no_text_is_not_waited_for() -> None:
    assert "".join(decoded(['{"input": "a\\x', *("b" * 1000), '"}'])) == "a"
