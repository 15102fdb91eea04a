"""What stands of a response that lost its core, and which of its calls are open."""

from __future__ import annotations

from typing import Final

from nodexa.v1.item_pb2 import ContentPart, FunctionCall, Item, Message, Opaque, OutputText, Reasoning, ToolRun
from nodexa.v1.response_pb2 import Response

from service.runner.resuming import NOWHERE, Broken
from service.store.steps import Step

DONE: Final = Item.STATUS_COMPLETED
OPEN: Final = Item.STATUS_IN_PROGRESS


def run(call_id: str, output: str | None = None) -> ToolRun:
    return ToolRun(call_id=call_id, name="look", arguments="{}", output=output)


def call(call_id: str, status: Item.Status.ValueType, output: str | None = None) -> Item:
    return Item(id=call_id, status=status, opaque=Opaque(type="mcp_call", json="{}"), run=run(call_id, output))


def message(text: str, status: Item.Status.ValueType = DONE) -> Item:
    part = ContentPart(output_text=OutputText(text=text))
    return Item(id=text, status=status, message=Message(role=Message.ROLE_ASSISTANT, content=[part]))


def broken(*items: Item, steps: tuple[Step, ...] = ()) -> Broken:
    return Broken(Response(output=items), steps)


def test_what_is_whole_is_told_and_what_was_half_written_is_not() -> None:
    left = broken(message("Look."), call("a", DONE, "Rain."), message("It r", OPEN))

    assert [item.id for item in left.said()] == ["Look.", "a"]


def test_thinking_that_led_to_nothing_is_not_told() -> None:
    thought = Item(id="rs", status=DONE, reasoning=Reasoning())

    assert [item.id for item in broken(thought, call("a", DONE, "Rain."), thought).said()] == ["rs", "a"]


def test_a_call_without_an_item_is_told_where_it_was_made() -> None:
    steps = (Step(run("quiet", "Done."), 1, repeatable=True, outcome="{}"),)

    said = broken(message("First."), call("a", DONE, "Rain."), steps=steps).said()

    assert [item.run.call_id for item in said] == ["", "quiet", "a"]


def test_calls_are_open_that_were_begun_and_are_not_over() -> None:
    steps = (
        Step(run("b"), 2, repeatable=True),
        Step(run("quiet"), 2, repeatable=True),
        Step(run("over", "Done."), 2, repeatable=True, outcome="{}"),
    )
    left = broken(call("a", DONE, "Rain."), call("b", OPEN), call("c", OPEN), steps=steps)

    found = [(each.run.call_id, each.place, each.step is not None) for each in left.open_calls()]

    assert found == [("b", 1, True), ("c", 2, False), ("quiet", NOWHERE, True)]


def test_one_that_had_called_the_client_or_asked_for_something_was_at_its_end() -> None:
    asked = Item(id="mcpr", status=DONE, opaque=Opaque(type="mcp_approval_request", json="{}"), run=run("a"))
    mine = Item(id="fc", status=DONE, function_call=FunctionCall(call_id="x", name="mine"))

    assert broken(asked).waits()
    assert broken(mine).waits()
    assert not broken(call("a", DONE, "Rain."), message("Ra", OPEN)).waits()
