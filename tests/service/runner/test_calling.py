"""Calls are told one after the other, however a model server mixes their pieces, and each as soon as it can be."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.item_pb2 import Item, Opaque
from nodexa.v1.response_pb2 import Response
from nodexa.v1.tool_pb2 import FunctionTool

from service.model.chunk import Chunk, OutputItem, Status, TextDelta, ToolCallDelta
from service.model.offers import Offer
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.json_end import JsonEnd
from tests.service.runner.ladder import climb, kinds
from tests.service.runner.test_emit_and_fold import RUNNING, counting

NOW = 1_800_000_000_123
SEARCH = Item(opaque=Opaque(type="web_search_call", json='{"type": "web_search_call", "status": "in_progress"}'))
DONE = Item(opaque=Opaque(type="web_search_call", json='{"type": "web_search_call", "status": "completed"}'))

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=3)


class Teller:
    """An emitter and all that it told so far."""

    def __init__(self) -> None:
        offers = {"shell": Offer(FunctionTool(name="shell"), "shell", custom=True)}
        self.emitter = Emitter(Response(id="resp_1", status=RUNNING), new_id=counting(), offers=offers)
        self.events: list[ResponseEvent] = [*self.emitter.begin().events]

    def feed(self, *chunks: Chunk) -> list[str]:
        """What these chunks led to, a word an event, with the output index where there is one."""
        told = list(self.emitter.feed(chunks).events)
        self.events += told
        return [f"{kind} {_index(event)}" for kind, event in zip(kinds(told), told, strict=True)]

    def end(self, status: Response.Status.ValueType = Response.STATUS_REQUIRES_ACTION) -> Response:
        self.events += self.emitter.finish(status, now=NOW).events
        climb(self.events)
        assert fold(self.events) == self.emitter.response
        return self.emitter.response


def _index(event: ResponseEvent) -> int:
    return int(getattr(getattr(event, str(event.WhichOneof("kind"))), "output_index", -1))


def pieces_of(text: str, borders: Sequence[int]) -> list[str]:
    cuts = [0, *sorted(border % (len(text) + 1) for border in borders), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


def test_a_single_call_is_told_piece_by_piece() -> None:
    teller = Teller()
    delta = "function_call_arguments_delta 0"

    assert teller.feed(ToolCallDelta(0, "look", "c1")) == ["output_item_added 0"]
    assert teller.feed(ToolCallDelta(0, arguments='{"a"')) == [delta]
    assert teller.feed(ToolCallDelta(0, arguments=": 1}")) == [delta]
    assert teller.feed(ToolCallDelta(0, arguments=" ")) == [delta]

    assert [item.function_call.arguments for item in teller.end().output] == ['{"a": 1} ']


def test_a_call_ends_when_the_next_one_begins_and_it_is_whole() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "look", "c1", "{}"))

    assert teller.feed(ToolCallDelta(1, "look", "c2")) == [
        "function_call_arguments_done 0",
        "output_item_done 0",
        "output_item_added 1",
    ]
    assert teller.feed(ToolCallDelta(1, arguments="{")) == ["function_call_arguments_delta 1"]


def test_mixed_calls_wait_for_the_one_before() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "look", "c1"), ToolCallDelta(1, "look", "c1"), ToolCallDelta(2, "look", "c3"))

    assert teller.feed(ToolCallDelta(2, arguments='["c"]'), ToolCallDelta(1, arguments='["b')) == []
    assert teller.feed(ToolCallDelta(0, arguments="[")) == ["function_call_arguments_delta 0"]
    assert teller.feed(ToolCallDelta(0, arguments="]")) == [
        "function_call_arguments_delta 0",
        "function_call_arguments_done 0",
        "output_item_done 0",
        "output_item_added 1",
        "function_call_arguments_delta 1",
    ]
    assert teller.feed(ToolCallDelta(1, arguments='"]'))[-2:] == [
        "output_item_added 2",
        "function_call_arguments_delta 2",
    ]

    first, second, third = (item.function_call for item in teller.end().output)
    assert [first.arguments, second.arguments, third.arguments] == ["[]", '["b"]', '["c"]']
    assert (first.call_id, third.call_id) == ("c1", "c3")
    assert second.call_id not in ("", "c1")


def test_calls_that_never_get_whole_are_told_at_the_end() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "look", "c1"), ToolCallDelta(1, "look", "c2", "{}"), TextDelta("Hm"))

    response = teller.end()

    assert [item.WhichOneof("kind") for item in response.output] == ["function_call", "function_call", "message"]
    assert [item.function_call.arguments for item in response.output[:2]] == ["", "{}"]


def test_what_was_cut_while_it_waited_is_kept_as_incomplete() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "look", "c1", "{"), ToolCallDelta(1, "look", "c2", '{"'), TextDelta("Hm"))

    response = teller.end(Response.STATUS_CANCELLED)

    assert [item.status for item in response.output] == [Item.STATUS_INCOMPLETE] * 3
    assert response.output[1].function_call.arguments == '{"'


def test_pieces_behind_the_end_of_a_call_change_nothing() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "look", "c1", "{}"), ToolCallDelta(1, "look", "c2", "{"))

    assert teller.feed(ToolCallDelta(0, arguments="\n")) == []
    teller.feed(ToolCallDelta(1, arguments="}"))

    assert [item.function_call.arguments for item in teller.end().output] == ["{}", "{}"]


def test_the_calls_of_a_custom_tool_wait_too() -> None:
    teller = Teller()
    teller.feed(ToolCallDelta(0, "shell", "c1", '{"input": "l'), ToolCallDelta(1, "shell", "c2", '{"input": "pwd"}'))

    assert teller.feed(ToolCallDelta(0, arguments="s {")) == ["custom_tool_call_input_delta 0"]
    assert "custom_tool_call_input_delta 1" in teller.feed(ToolCallDelta(0, arguments='"}'))

    assert [item.custom_tool_call.input for item in teller.end().output] == ["ls {", "pwd"]


def test_words_and_hosted_items_wait_for_a_call() -> None:
    teller = Teller()
    teller.feed(OutputItem(0, SEARCH), ToolCallDelta(0, "look", "c1", "{"))

    assert teller.feed(TextDelta("So."), OutputItem(1, SEARCH), OutputItem(1, phase="searching")) == []
    assert teller.feed(OutputItem(0, phase="searching"), OutputItem(0, DONE, done=True), Status("thinking")) == [
        "item_progress 0",
        "output_item_done 0",
        "status -1",
    ]
    told = teller.feed(ToolCallDelta(0, arguments="}"))

    assert told[:3] == ["function_call_arguments_delta 1", "function_call_arguments_done 1", "output_item_done 1"]
    assert told[3:5] == ["output_item_added 2", "content_part_added 2"]
    assert told[-2:] == ["output_item_added 3", "item_progress 3"]
    teller.end(Response.STATUS_COMPLETED)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_calls_come_whole_and_in_order_wherever_they_are_split_and_mixed(data: st.DataObject) -> None:
    wanted = [
        json.dumps(value, ensure_ascii=data.draw(st.booleans())) for value in data.draw(st.lists(objects, max_size=5))
    ]
    left = {
        index: [ToolCallDelta(index, "look", f"c{index}"), *(ToolCallDelta(index, arguments=piece) for piece in pieces)]
        for index, text in enumerate(wanted)
        for pieces in [pieces_of(text, data.draw(st.lists(st.integers(0, 99), max_size=4)))]
    }
    teller, order = Teller(), []
    while left:
        index = data.draw(st.sampled_from(sorted(left)))
        order += [] if index in order else [index]
        teller.feed(left[index].pop(0))
        if not left[index]:
            del left[index]
    done = kinds(teller.events).count("output_item_done")

    response = teller.end()

    assert [item.function_call.call_id for item in response.output] == [f"c{index}" for index in order]
    assert [item.function_call.arguments for item in response.output] == [wanted[index] for index in order]
    assert done == max(0, len(wanted) - 1), "all but the last are known to be whole before the end"


def test_many_calls_in_very_many_pieces_are_no_more_work_than_few() -> None:
    text = json.dumps({"text": "x" * 5_000})
    openings = [ToolCallDelta(index, "look", f"c{index}") for index in range(128)]
    rounds = [
        [ToolCallDelta(index, arguments=text[at : at + 64]) for index in range(128)] for at in range(0, 5_100, 64)
    ]
    teller = Teller()

    teller.feed(*openings)
    for mixed in rounds:
        teller.feed(*mixed)

    assert {item.function_call.arguments for item in teller.end().output} == {text}
    assert len(teller.events) < 128 * 5 + len(rounds) * 2 + 10, "what waited is told at once"


@settings(max_examples=200, deadline=None)
@given(objects | st.lists(values, max_size=3), st.lists(st.integers(0, 99), max_size=6))
def test_json_is_whole_at_its_last_bracket_and_not_before(value: object, borders: list[int]) -> None:
    text, end = json.dumps(value, indent=1), JsonEnd()

    for piece in pieces_of(text[:-1], borders):
        end.feed(piece)
        assert not end.whole
    end.feed(text[-1])
    assert end.whole
    end.feed(" \n")
    assert end.whole
