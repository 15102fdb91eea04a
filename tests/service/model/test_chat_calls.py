"""Calls are told apart, whichever way a server numbers, names or repeats them."""

from __future__ import annotations

from service.model.chunk import ToolCallDelta
from tests.service.model.chat_json import STOP, calls, delta, entry, joined, streamed


def test_parallel_calls_that_take_turns_are_told_apart_by_index() -> None:
    chunks = streamed(
        calls(entry("", index=0, id="a", name="f"), entry("", index=1, id="b", name="g")),
        calls(entry('{"x"', index=0)),
        calls(entry('{"y"', index=1)),
        calls(entry(":1}", index=0), entry(":2}", index=1)),
        delta("tool_calls"),
    )
    assert joined(chunks) == {0: ("f", "a", '{"x":1}'), 1: ("g", "b", '{"y":2}')}


def test_a_name_and_id_that_are_sent_again_change_nothing() -> None:
    chunks = streamed(
        calls(entry('{"x"', index=0, id="a", name="f")), calls(entry(":1}", index=0, id="a", name="f")), delta("stop")
    )
    assert joined(chunks) == {0: ("f", "a", '{"x":1}')}


def test_calls_without_an_index_are_told_apart_by_id() -> None:
    chunks = streamed(
        calls(entry('{"x"', id="a", name="f")),
        calls(entry(":1}", id="a")),
        calls(entry("{", id="b", name="f")),
        calls(entry("}")),
        delta("stop"),
    )
    assert joined(chunks) == {0: ("f", "a", '{"x":1}'), 1: ("f", "b", "{}")}


def test_whole_calls_without_index_and_id_are_calls_of_their_own() -> None:
    chunks = streamed(calls(entry('{"x":1}', name="f"), entry('{"x":2}', name="f")), delta("stop"))
    assert joined(chunks) == {0: ("f", "", '{"x":1}'), 1: ("f", "", '{"x":2}')}


def test_calls_that_are_all_numbered_zero_are_told_apart_by_id() -> None:
    chunks = streamed(
        calls(entry('{"x":1}', index=0, id="a", name="f")),
        calls(entry('{"x":2}', index=0, id="b", name="f")),
        delta("stop"),
    )
    assert joined(chunks) == {0: ("f", "a", '{"x":1}'), 1: ("f", "b", '{"x":2}')}


def test_two_calls_with_one_id_get_the_second_one_named_by_us() -> None:
    chunks = streamed(
        calls(entry("{}", index=0, id="a", name="f"), entry("{}", index=1, id="a", name="g")), delta("stop")
    )
    assert joined(chunks) == {0: ("f", "a", "{}"), 1: ("g", "", "{}")}


def test_arguments_as_an_object_become_text() -> None:
    assert joined(streamed(calls(entry({"x": 1}, index=0, id="a", name="f")), delta("stop"))) == {
        0: ("f", "a", '{"x":1}')
    }


def test_a_call_waits_for_its_name() -> None:
    chunks = streamed(calls(entry('{"x"', index=0, id="a")), calls(entry(":1}", index=0, name="f")), delta("stop"))
    assert chunks == [ToolCallDelta(0, "f", "a", '{"x":1}'), STOP]


def test_the_old_function_call_is_a_call() -> None:
    chunks = streamed(
        delta(function_call={"name": "f", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
        delta("function_call"),
    )
    assert joined(chunks) == {0: ("f", "", "{}")}
