"""What becomes of the model's calls, of its end and of its count of tokens."""

from __future__ import annotations

import pytest
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response, Usage
from nodexa.v1.tool_pb2 import FunctionChoice, ToolChoice

from service.model.chunk import Chunk, Finish, FinishReason, ReasoningDelta, TextDelta, TokenUsage, ToolCallDelta
from service.model.scripted import STOP, Step, calls, says
from tests.conftest import CoreUnderTest
from tests.service.requests import create, said, stream, with_tools, words_of
from tests.service.runner.ladder import climb, kinds

COMPLETED, FAILED, INCOMPLETE, REQUIRES_ACTION = (
    Response.STATUS_COMPLETED,
    Response.STATUS_FAILED,
    Response.STATUS_INCOMPLETE,
    Response.STATUS_REQUIRES_ACTION,
)
REQUIRED = ToolChoice(mode=ToolChoice.MODE_REQUIRED)
NONE = ToolChoice(mode=ToolChoice.MODE_NONE)
LOOK = ToolChoice(function=FunctionChoice(name="look"))
CUT = Finish(FinishReason.LENGTH)


def calling(name: str, arguments: str = "{}", *, call_id: str = "") -> ToolCallDelta:
    return ToolCallDelta(0, name, call_id, arguments)


async def test_parallel_calls_wait_for_their_results(core: CoreUnderTest) -> None:
    interleaved: list[Step] = [
        [TextDelta("Let me see.")],
        [ToolCallDelta(0, "look", "c0", '{"a"'), ToolCallDelta(1, "listen", "c1", "")],
        [ToolCallDelta(1, arguments="{}"), ToolCallDelta(0, arguments=": 1}")],
        [TokenUsage(5, 7), STOP],
    ]
    core.model.add(interleaved)

    events = await stream(core, settings=with_tools("look", "listen"))

    climb(events)
    final = events[-1].completed.response
    assert final.status == REQUIRES_ACTION
    assert words_of(tuple(final.output)) == ["Let me see.", 'look({"a": 1})', "listen({})"]
    assert [item.function_call.call_id for item in final.output[1:]] == ["c0", "c1"]
    assert final.usage.total_tokens == 12


async def test_an_unknown_function_is_told_to_the_model_and_not_to_the_client(core: CoreUnderTest) -> None:
    core.model.add(
        [[ToolCallDelta(0, "fly", "c9", '{"to"')], [ToolCallDelta(0, arguments=': "Rome"}')], [STOP]],
        calls(("look", "{}")),
    )

    events = await stream(core, "Go", settings=with_tools("listen", "look"))

    climb(events)
    assert words_of(tuple(events[-1].completed.response.output)) == ["look({})"]
    *_, asked, answer = words_of(tuple(core.model.prompts[1].items))
    assert asked == 'fly({"to": "Rome"})'
    assert answer.startswith("→ The function call was refused: there is no function 'fly'.")
    assert answer.endswith("Call one of these functions with a JSON object: listen, look.")


async def test_a_function_that_stays_unknown_fails_the_response(core: CoreUnderTest) -> None:
    core.model.add(calls(("fly", "{}")), calls(("fly", "{}")), says("never asked"))

    response = await create(core, settings=with_tools("look"))

    assert (response.status, response.error.code) == (FAILED, "invalid_tool_call")
    assert "fly" in response.error.message
    assert not response.output
    assert len(core.model.prompts) == 2


async def test_an_unknown_function_beside_a_call_that_was_shown_fails_at_once(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}"), ("fly", "{}")))

    events = await stream(core, settings=with_tools("look"))

    climb(events)
    assert events[-1].failed.response.error.code == "invalid_tool_call"
    assert len(core.model.prompts) == 1


async def test_a_call_where_none_was_allowed_is_answered_with_that(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}")), says("Sorry"))

    response = await create(core, settings=with_tools("look", choice=NONE))

    assert said(response) == "Sorry"
    assert words_of(tuple(core.model.prompts[1].items))[-1].endswith("Answer without calling a function.")


BROKEN = ['{"a": ', "[1]", "3", "nonsense", "[" * 5000]


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda text: text[:10])
async def test_broken_arguments_that_were_shown_fail_the_response(core: CoreUnderTest, arguments: str) -> None:
    core.model.add(calls(("look", arguments)))

    events = await stream(core, settings=with_tools("look"))

    climb(events)
    final = events[-1].failed.response
    assert final.error.code == "invalid_tool_call"
    assert final.output[0].function_call.arguments == arguments
    assert final.output[0].status == Item.STATUS_INCOMPLETE


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda text: text[:10])
async def test_broken_arguments_that_nobody_saw_are_told_to_the_model_once(core: CoreUnderTest, arguments: str) -> None:
    core.model.add([[calling("look", arguments), STOP]], [[calling("look"), STOP]])

    response = await create(core, settings=with_tools("look"))

    assert response.status == REQUIRES_ACTION
    assert words_of(tuple(response.output)) == ["look({})"]
    assert "the arguments of 'look' are not" in words_of(tuple(core.model.prompts[1].items))[-1]


async def test_broken_arguments_twice_fail_the_response(core: CoreUnderTest) -> None:
    core.model.add(*[[[calling("look", "{"), STOP]]] * 2)

    response = await create(core, settings=with_tools("look"))

    assert (response.status, response.error.code) == (FAILED, "invalid_tool_call")


async def test_a_call_without_arguments_needs_none(core: CoreUnderTest) -> None:
    core.model.add([[calling("look", "")], [STOP]])

    assert (await create(core, settings=with_tools("look"))).status == REQUIRES_ACTION


@pytest.mark.parametrize("turn", [[[calling("look", '{"a'), CUT]], [[calling("look", '{"a')], [CUT]]])
async def test_a_call_that_the_limit_cut_is_incomplete_and_not_wrong(core: CoreUnderTest, turn: list[Step]) -> None:
    core.model.add(turn)

    response = await create(core, settings=with_tools("look"))

    assert response.status == INCOMPLETE
    assert response.incomplete_details.reason == "max_output_tokens"
    assert [item.status for item in response.output] == [Item.STATUS_INCOMPLETE]


async def test_text_that_the_limit_cut_is_incomplete(core: CoreUnderTest) -> None:
    core.model.add([[ReasoningDelta("Hm")], [TextDelta("Once upon")], [CUT]])

    response = await create(core)

    assert [item.status for item in response.output] == [Item.STATUS_COMPLETED, Item.STATUS_INCOMPLETE]


async def test_an_unknown_function_that_the_limit_cut_is_not_asked_again(core: CoreUnderTest) -> None:
    core.model.add([[calling("fly", "{")], [CUT]])

    assert (await create(core, settings=with_tools("look"))).status == INCOMPLETE


async def test_a_filter_ends_the_response_as_incomplete(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Well")], [Finish(FinishReason.CONTENT_FILTER)]])

    response = await create(core)

    assert (response.status, response.incomplete_details.reason) == (INCOMPLETE, "content_filter")


DISOBEYED: dict[str, tuple[ToolChoice, list[Step]]] = {
    "required, and none made": (REQUIRED, says("No.")),
    "named, and none made": (LOOK, says("No.")),
    "named, and another made": (LOOK, calls(("listen", "{}"))),
    "named, and another too": (LOOK, calls(("look", "{}"), ("listen", "{}"))),
}


@pytest.mark.parametrize(("choice", "turn"), DISOBEYED.values(), ids=DISOBEYED)
async def test_a_choice_that_the_model_ignores_fails_the_response(
    core: CoreUnderTest, choice: ToolChoice, turn: list[Step]
) -> None:
    core.model.add(turn)

    response = await create(core, settings=with_tools("look", "listen", choice=choice))

    assert (response.status, response.error.code) == (FAILED, "invalid_tool_call")
    assert "tool_choice asked for" in response.error.message


OBEYED: dict[str, tuple[ToolChoice, list[Step], Response.Status.ValueType]] = {
    "required": (REQUIRED, calls(("listen", "{}")), REQUIRES_ACTION),
    "named": (LOOK, calls(("look", "{}")), REQUIRES_ACTION),
    "none": (NONE, says("Hi"), COMPLETED),
    "required, and cut by the limit": (REQUIRED, [[TextDelta("Hm")], [CUT]], INCOMPLETE),
}


@pytest.mark.parametrize(("choice", "turn", "status"), OBEYED.values(), ids=OBEYED)
async def test_a_choice_that_the_model_obeys_is_told_to_it(
    core: CoreUnderTest, choice: ToolChoice, turn: list[Step], status: Response.Status.ValueType
) -> None:
    core.model.add(turn)

    response = await create(core, settings=with_tools("look", "listen", choice=choice))

    assert response.status == status
    assert core.model.prompts[0].settings.tool_choice == choice


FIRST, SECOND = TokenUsage(10, 2, cached_tokens=3, reasoning_tokens=1), TokenUsage(20, 4, cached_tokens=5)
COUNTS: dict[str, tuple[TokenUsage | None, TokenUsage | None, Usage | None]] = {
    "both": (
        FIRST,
        SECOND,
        Usage(input_tokens=30, cached_tokens=8, output_tokens=6, reasoning_tokens=1, total_tokens=36),
    ),
    "not the first": (None, SECOND, None),
    "not the second": (FIRST, None, None),
}


@pytest.mark.parametrize(("first", "second", "total"), COUNTS.values(), ids=COUNTS)
async def test_the_passes_of_a_turn_are_added_up_or_nothing_is_said(
    core: CoreUnderTest, first: TokenUsage | None, second: TokenUsage | None, total: Usage | None
) -> None:
    core.model.add(calls(("fly", "{}"), usage=first), says("Hi", usage=second))

    response = await create(core, settings=with_tools("look"))

    assert (response.usage if response.HasField("usage") else None) == total


async def test_an_answer_that_breaks_off_is_a_failure(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")]])

    events = await stream(core)

    climb(events)
    assert events[-1].failed.response.error.code == "upstream_protocol_error"


EMPTY: dict[str, list[Chunk]] = {"nothing": [], "only a count": [TokenUsage(1, 0)], "empty text": [TextDelta("")]}


@pytest.mark.parametrize("chunks", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("background", [False, True])
async def test_a_model_that_says_nothing_still_completes(
    core: CoreUnderTest, chunks: list[Chunk], *, background: bool
) -> None:
    core.model.add([[*chunks, STOP]])

    events = await stream(core, settings=with_tools("look", background=background))

    assert kinds(events)[-1] == "completed"
    assert not events[-1].completed.response.output
