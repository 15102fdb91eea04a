"""`truncation: auto`: what is left out of a prompt that is too long, and what is told of it."""

from __future__ import annotations

import pytest
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message, OutputText
from nodexa.v1.response_pb2 import JsonSchema, Response, ResponseSettings, TextFormat, TextSettings

from service.errors import NodexaError
from service.model.chunk import TextDelta, TokenUsage
from service.model.scripted import Step, calls, says
from service.runner.truncation import TRIES, shortened, turns_of
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, call, create, get, output, said, stream, user, with_tools, words_of
from tests.service.runner.ladder import climb, kinds

AUTO = ResponseSettings(truncation=ResponseSettings.TRUNCATION_AUTO)


def too_long() -> list[Step]:
    return [NodexaError("context_length_exceeded", "The prompt is too long.", param="input")]


def answer(text: str) -> Item:
    part = ContentPart(output_text=OutputText(text=text))
    return Item(message=Message(role=Message.ROLE_ASSISTANT, content=[part]))


def rule(text: str, role: Message.Role.ValueType = Message.ROLE_SYSTEM) -> Item:
    return Item(message=Message(role=role, content=[ContentPart(input_text=InputText(text=text))]))


def talk(turns: int) -> list[Item]:
    """So many turns that were answered, and a question."""
    return [item for number in range(turns) for item in (user(f"q{number}"), answer(f"a{number}"))] + [user("Last?")]


def test_a_turn_is_what_the_user_said_in_one_go_and_all_that_followed() -> None:
    items = [
        user("1"),
        rule("Be brief."),
        user("2"),
        call("c1"),
        output("c1", "x"),
        answer("3"),
        user("4"),
        answer("5"),
    ]

    assert [len(turn) for turn in turns_of(items)] == [6, 2]


def test_a_call_and_its_output_are_never_parted() -> None:
    items = [user("1"), call("c1"), user("2"), output("c1", "x"), user("3")]

    assert [len(turn) for turn in turns_of(items)] == [4, 1]


def test_the_oldest_part_goes_first_and_the_rules_stay() -> None:
    items = [rule("Be brief."), *talk(4)]

    kept = shortened(items)

    assert words_of(kept) == ["Be brief.", "q1", "a1", "q2", "a2", "q3", "a3", "Last?"]
    assert words_of(shortened(items, all_at_once=True)) == ["Be brief.", "Last?"]


def test_the_newest_turn_is_never_left_out() -> None:
    items = [rule("Be brief.", Message.ROLE_DEVELOPER), user("Call."), call("c1"), output("c1", "x")]

    assert shortened(items) == items
    assert shortened(items, all_at_once=True) == items


async def test_a_long_conversation_is_answered_without_its_beginning(core: CoreUnderTest) -> None:
    core.model.add(says("A1"), says("A2"), too_long(), too_long(), says("Yes.", usage=TokenUsage(10, 2)))
    first = await create(core, "Q1")
    second = await create(core, "Q2", previous_response_id=first.id)

    response = await create(core, "Q3", previous_response_id=second.id, settings=AUTO)

    assert [words_of(tuple(prompt.items)) for prompt in core.model.prompts[2:]] == [
        ["Q1", "A1", "Q2", "A2", "Q3"],
        ["Q2", "A2", "Q3"],
        ["Q3"],
    ]
    assert (response.status, said(response), response.truncated_items) == (Response.STATUS_COMPLETED, "Yes.", 4)
    assert response.usage.total_tokens == 12, "what was refused cost nothing"
    assert await get(core, response.id) == response


async def test_readers_are_told_that_the_conversation_is_cut(core: CoreUnderTest) -> None:
    core.model.add(too_long(), says("Yes."))

    events = await stream(core, *talk(1), settings=AUTO)

    climb(events)
    assert kinds(events)[:4] == ["created", "in_progress", "status", "output_item_added"]
    assert events[2].status.status == "truncating"
    assert events[-1].completed.response.truncated_items == 2


async def test_without_auto_a_prompt_that_is_too_long_is_refused(core: CoreUnderTest) -> None:
    core.model.add(too_long())

    told = await refusal(core.responses.CreateResponse(asking(core, *talk(2)), metadata=core.metadata()))

    assert (told.reason, told.param) == ("context_length_exceeded", "input")
    assert len(core.model.prompts) == 1


async def test_input_that_is_too_long_by_itself_is_refused(core: CoreUnderTest) -> None:
    core.model.add(too_long(), too_long())

    told = await refusal(core.responses.CreateResponse(asking(core, *talk(1), settings=AUTO), metadata=core.metadata()))

    assert (told.reason, told.param) == ("context_length_exceeded", "input")
    assert [len(prompt.items) for prompt in core.model.prompts] == [3, 1]


async def test_it_is_not_tried_for_ever(core: CoreUnderTest) -> None:
    core.model.add(*[too_long() for _ in range(TRIES + 1)])

    await refusal(core.responses.CreateResponse(asking(core, *talk(200), settings=AUTO), metadata=core.metadata()))

    lengths = [len(prompt.items) for prompt in core.model.prompts]
    assert len(lengths) == TRIES + 1
    assert lengths == sorted(lengths, reverse=True)
    assert (lengths[0], lengths[-1]) == (401, 1)
    assert 290 < lengths[1] < 310


async def test_an_answer_that_was_begun_is_not_begun_again(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("So")], *too_long()])

    response = await create(core, *talk(2), settings=AUTO)

    assert (response.status, response.error.code, said(response)) == (
        Response.STATUS_FAILED,
        "context_length_exceeded",
        "So",
    )
    assert response.truncated_items == 0


@pytest.mark.parametrize("text", ['{"city": "Rome"}', "Rome"])
async def test_a_cut_conversation_still_gets_an_answer_that_obeys_its_schema(core: CoreUnderTest, text: str) -> None:
    schema = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
    strict = TextSettings(format=TextFormat(json_schema=JsonSchema(name="place", schema_json=schema, strict=True)))
    core.model.add(too_long(), says(text), says('{"city": "Rome"}'))

    response = await create(
        core, *talk(1), settings=ResponseSettings(truncation=ResponseSettings.TRUNCATION_AUTO, text=strict)
    )

    assert (said(response), response.truncated_items) == ('{"city": "Rome"}', 2)
    assert words_of(tuple(core.model.prompts[1].items)) == ["Last?"]


async def test_a_cut_conversation_still_gets_its_calls(core: CoreUnderTest) -> None:
    core.model.add(too_long(), calls(("look", "{}")))

    response = await create(core, *talk(1), settings=with_tools("look", truncation=ResponseSettings.TRUNCATION_AUTO))

    assert (response.status, response.truncated_items) == (Response.STATUS_REQUIRES_ACTION, 2)
