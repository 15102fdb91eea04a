"""A strict schema is kept, or the response fails: with one more try where nothing of the answer was shown yet."""

from __future__ import annotations

import json

import pytest
from nodexa.v1.response_pb2 import JsonSchema, Response, ResponseSettings, TextFormat, TextSettings

from service.errors import NodexaError
from service.model.chunk import Chunk, Finish, FinishReason, ReasoningDelta, RefusalDelta, TextDelta, TokenUsage
from service.model.scripted import STOP, Step, calls, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, create, get, said, stream, watch, with_tools, words_of
from tests.service.runner.ladder import climb, kinds

COMPLETED, FAILED, INCOMPLETE = Response.STATUS_COMPLETED, Response.STATUS_FAILED, Response.STATUS_INCOMPLETE
CITY = (
    '{"type": "object", "properties": {"city": {"type": "string"}}, '
    '"required": ["city"], "additionalProperties": false}'
)
GOOD, BAD = '{"city": "Rome"}', '{"town": "Rome"}'


def strict(schema: str = CITY, *, strict: bool | None = True) -> TextSettings:
    return TextSettings(format=TextFormat(json_schema=JsonSchema(name="place", schema_json=schema, strict=strict)))


async def test_a_good_answer_is_shown_as_it_is(core: CoreUnderTest) -> None:
    core.model.add(says(GOOD), says(GOOD))

    unary = await create(core, settings=ResponseSettings(text=strict()))
    streamed = await stream(core, settings=ResponseSettings(text=strict()))

    climb(streamed)
    assert (unary.status, said(unary)) == (COMPLETED, GOOD)
    assert (kinds(streamed)[-1], said(streamed[-1].completed.response)) == ("completed", GOOD)
    assert len(core.model.prompts) == 2


@pytest.mark.parametrize("bad", [BAD, "Rome.", f"```json\n{GOOD}\n```", ""], ids=["wrong", "words", "fenced", "empty"])
async def test_a_wrong_answer_that_nobody_saw_is_told_to_the_model(core: CoreUnderTest, bad: str) -> None:
    core.model.add(
        [[ReasoningDelta("Hm.")], [TextDelta(bad)], [TokenUsage(10, 2), STOP]], says(GOOD, usage=TokenUsage(20, 3))
    )

    response = await create(core, "Where?", settings=ResponseSettings(text=strict()))

    assert (response.status, said(response), len(response.output)) == (COMPLETED, GOOD, 1)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (30, 5)
    asked, *answered, told = words_of(tuple(core.model.prompts[1].items))
    assert (asked, answered) == ("Where?", [bad] if bad else [])
    assert told.startswith("Your answer can't be used: ")
    assert CITY in told
    events = await watch(core, response.id)
    climb(events)
    assert said(events[-1].completed.response) == GOOD


async def test_the_retry_stays_out_of_the_history(core: CoreUnderTest) -> None:
    core.model.add(says(BAD), says(GOOD), says("Hi"))
    first = await create(core, "Where?", settings=ResponseSettings(text=strict()))

    await create(core, "Why?", previous_response_id=first.id)

    assert words_of(tuple(core.model.prompts[2].items)) == ["Where?", GOOD, "Why?"]


async def test_the_second_wrong_answer_fails_the_response_and_is_kept(core: CoreUnderTest) -> None:
    core.model.add(says(BAD), says("Rome, as I said."))

    response = await create(core, settings=ResponseSettings(text=strict()))

    assert (response.status, response.error.code) == (FAILED, "invalid_output")
    assert response.error.message.startswith("The model's answer doesn't obey the schema 'place': it is not JSON.")
    assert said(response) == "Rome, as I said."
    assert await get(core, response.id) == response


async def test_a_second_try_that_breaks_leaves_the_first_answer(core: CoreUnderTest) -> None:
    core.model.add(says(BAD), [NodexaError("context_length_exceeded", "Too long.", param="input")])

    response = await create(core, settings=ResponseSettings(text=strict()))

    assert (response.status, response.error.code, said(response)) == (FAILED, "invalid_output", BAD)
    assert "$ lacks 'city'" in response.error.message


@pytest.mark.parametrize("background", [False, True])
async def test_a_wrong_answer_that_was_shown_fails_the_response(core: CoreUnderTest, *, background: bool) -> None:
    core.model.add(says(BAD))

    events = await stream(core, settings=ResponseSettings(text=strict(), background=background))

    climb(events)
    final = events[-1].failed.response
    assert (final.error.code, said(final)) == ("invalid_output", BAD)
    assert "without stream" in final.error.message
    assert len(core.model.prompts) == 1


NOT_HELD: dict[str, tuple[list[Step], Response.Status.ValueType]] = {
    "a refusal": ([[RefusalDelta("No.")], [STOP]], COMPLETED),
    "words, then a refusal": ([[TextDelta("{"), RefusalDelta("No.")], [STOP]], COMPLETED),
    "an answer cut by the limit": ([[TextDelta('{"city')], [Finish(FinishReason.LENGTH)]], INCOMPLETE),
    "an answer cut by a filter": ([[TextDelta('{"city')], [Finish(FinishReason.CONTENT_FILTER)]], INCOMPLETE),
    "a call": ([[TextDelta("Let me look.")], *calls(("look", "{}"))], Response.STATUS_REQUIRES_ACTION),
}


@pytest.mark.parametrize(("turn", "status"), NOT_HELD.values(), ids=NOT_HELD)
async def test_what_is_no_whole_answer_is_not_held_against_the_schema(
    core: CoreUnderTest, turn: list[Step], status: Response.Status.ValueType
) -> None:
    core.model.add(turn, turn)
    settings = with_tools("look", text=strict())

    unary = await create(core, settings=settings)
    events = await stream(core, settings=settings)

    climb(events)
    assert unary.status == status
    assert kinds(events)[-1] == ("incomplete" if status == INCOMPLETE else "completed")
    assert len(core.model.prompts) == 2


async def test_a_model_that_fails_keeps_what_it_said(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta('{"ci')], NodexaError("upstream_timeout", "Too slow.")])

    response = await create(core, settings=ResponseSettings(text=strict()))

    assert (response.status, response.error.code, said(response)) == (FAILED, "upstream_timeout", '{"ci')


@pytest.mark.parametrize("kept", [None, False], ids=["unsaid", "no"])
async def test_a_schema_that_is_not_strict_is_the_model_server_s_business(
    core: CoreUnderTest, *, kept: bool | None
) -> None:
    core.model.add(says(BAD))

    response = await create(core, settings=ResponseSettings(text=strict(strict=kept)))

    assert (response.status, said(response)) == (COMPLETED, BAD)


async def test_a_strict_schema_that_can_not_be_checked_is_refused(core: CoreUnderTest) -> None:
    text = strict('{"type": "string", "pattern": "^(?!x)"}')

    answer = await refusal(
        core.responses.CreateResponse(asking(core, settings=ResponseSettings(text=text)), metadata=core.metadata())
    )

    assert (answer.reason, answer.param) == ("invalid_request", "text.format.schema")
    assert "leave out strict" in answer.message


async def test_a_large_answer_and_a_costly_schema_are_checked_too(core: CoreUnderTest) -> None:
    doubling = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)} | {"d60": False}
    costly = json.dumps({"$ref": "#/$defs/d0", "$defs": doubling})
    large: list[Chunk] = [TextDelta(json.dumps({"city": "x" * 200_000})), STOP]
    core.model.add([large], says("1"))

    fine = await create(core, settings=ResponseSettings(text=strict()))
    never = await create(core, settings=ResponseSettings(text=strict(costly)))

    assert fine.status == COMPLETED
    assert (never.status, never.error.code) == (FAILED, "invalid_output")
    assert "too long to check" in never.error.message
