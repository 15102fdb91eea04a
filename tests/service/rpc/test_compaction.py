"""A conversation made short: by request, by a trigger or by a threshold; the summary stands for all that it sums up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message, Opaque
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    CompactedConversation,
    CompactResponseRequest,
    ListResponsesRequest,
)

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, TextDelta, TokenUsage
from service.model.scripted import Step, calls, says
from service.runner.summary_words import ASK, FRAME
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, call, create, output, said, stream, user, with_tools, words_of

SUMMARY = "Summary of the conversation so far:\n\nAlice is here."
TRIGGER = Item(opaque=Opaque(type="compaction_trigger", json='{"type":"compaction_trigger"}'))


def compacting(core: CoreUnderTest, *items: Item | str, **more: object) -> CompactResponseRequest:
    given = [user(item) if isinstance(item, str) else item for item in items]
    return CompactResponseRequest(**{"assistant_id": core.assistant_id, "input": given, **more})


async def compact(core: CoreUnderTest, *items: Item | str, **more: object) -> CompactedConversation:
    return await core.responses.CompactResponse(compacting(core, *items, **more), metadata=core.metadata())


def told(core: CoreUnderTest) -> list[str]:
    """What the model's last prompt says, item by item."""
    return words_of(tuple(core.model.prompts[-1].items))


async def test_a_stored_conversation_becomes_one_item_that_goes_on(core: CoreUnderTest) -> None:
    used = TokenUsage(input_tokens=40, output_tokens=5)
    core.model.add(says("Hi Alice"), says("Alice is here.", usage=used), says("Bob"))
    first = await create(core, "I am Alice")

    short = await compact(core, previous_response_id=first.id)
    asked = told(core)
    await create(core, *short.output, "And I am Bob")

    assert asked == ["I am Alice", "Hi Alice", ASK]
    assert told(core) == [FRAME, SUMMARY, "And I am Bob"]
    assert [item.WhichOneof("kind") for item in short.output] == ["compaction"]
    assert short.output[0].id.startswith("cmp_")
    assert "Alice" not in short.output[0].compaction.encrypted_content
    assert (short.usage.input_tokens, short.usage.total_tokens) == (40, 45)
    assert short.create_time.seconds


async def test_a_compaction_is_no_response(core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here."))

    short = await compact(core, "I am Alice")

    listed = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
    assert short.id.startswith("resp_")
    assert not listed.responses


async def test_what_stood_before_a_compaction_is_not_shown_and_its_history_neither(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Alice is here."), says("Yes"), says("Again"))
    first = await create(core, "I am Alice")
    (item,) = (await compact(core, previous_response_id=first.id)).output

    second = await create(core, "Dropped", item, "Shown", previous_response_id=first.id)
    assert told(core) == [FRAME, SUMMARY, "Shown"]

    await create(core, "More", previous_response_id=second.id)
    assert told(core) == [FRAME, SUMMARY, "Shown", "Yes", "More"]


async def test_the_application_s_instructions_stay_as_they_are(core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here."), says("Yes"))
    part = ContentPart(input_text=InputText(text="Never curse."))
    rule = Item(message=Message(role=Message.ROLE_DEVELOPER, content=[part]))

    short = await compact(core, rule, "I am Alice", settings=ResponseSettings(instructions="Be brief."))
    assert core.model.prompts[-1].instructions == "Be brief."
    await create(core, *short.output, "Go on")

    assert told(core) == ["Never curse.", FRAME, SUMMARY, "Go on"]


async def test_a_call_that_waits_for_its_output_gets_it_behind_the_compaction(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}")), says("Alice is here."), says("Seen"))
    first = await create(core, "Look", settings=with_tools("look"))

    short = await compact(core, previous_response_id=first.id)
    asked = told(core)
    answer = await create(core, *short.output, output(first.output[0].function_call.call_id, "a heron"))

    assert asked == ["Look", ASK]
    assert told(core) == [FRAME, SUMMARY, "look({})", "→ a heron"]
    assert said(answer) == "Seen"


async def test_an_output_whose_call_was_summed_up_is_refused_by_its_place(core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here."))
    short = await compact(core, "Look", call("call_1"), output("call_1", "a heron"))

    request = asking(core, "Hello", *short.output, output("call_1", "again"))
    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("unknown_call_id", "input[2].call_id")


async def test_a_summary_is_asked_for_without_what_is_meant_for_answers(core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here."))
    settings = with_tools("look", max_output_tokens=3, stop=["Alice"], temperature=0.5)

    await compact(core, "I am Alice", settings=settings)

    asked = core.model.prompts[-1].settings
    assert not asked.HasField("max_output_tokens")
    assert not asked.stop
    assert (asked.temperature, len(asked.tools.tools)) == (0.5, 1)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (says(""), "invalid_output"),
        ([[TextDelta("Alice"), Finish(FinishReason.LENGTH)]], "invalid_output"),
        ([NodexaError("upstream_error", "It broke.")], "upstream_error"),
    ],
    ids=["nothing", "half a summary", "a broken server"],
)
async def test_without_a_whole_summary_nothing_is_compacted(
    core: CoreUnderTest, turn: Sequence[Step], reason: str
) -> None:
    core.model.add(turn)

    answer = await refusal(core.responses.CompactResponse(compacting(core, "I am Alice"), metadata=core.metadata()))

    assert answer.reason == reason


async def test_what_can_not_be_compacted_is_refused(core: CoreUnderTest) -> None:
    async def refused(request: CompactResponseRequest) -> tuple[str, str]:
        answer = await refusal(core.responses.CompactResponse(request, metadata=core.metadata()))
        return answer.reason, answer.param

    unknown = compacting(core, previous_response_id="resp_none")
    foreign = compacting(core, Item(compaction={"encrypted_content": "gAAAAABforeign"}), "Go on")

    assert await refused(compacting(core)) == ("missing_required_field", "input")
    assert await refused(unknown) == ("previous_response_not_found", "previous_response_id")
    assert await refused(foreign) == ("invalid_encrypted_content", "input[0].encrypted_content")


async def test_a_trigger_is_answered_by_a_compaction_alone(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Alice is here."), says("Yes"))
    first = await create(core, "I am Alice")

    short = await create(core, TRIGGER, previous_response_id=first.id)
    await create(core, "Go on", previous_response_id=short.id)

    assert [item.WhichOneof("kind") for item in short.output] == ["compaction"]
    assert not short.settings.ignored
    assert told(core) == [FRAME, SUMMARY, "Go on"]


async def test_a_trigger_in_another_place_is_refused(core: CoreUnderTest) -> None:
    call = core.responses.CreateResponse(asking(core, TRIGGER, user("Hello")), metadata=core.metadata())
    answer = await refusal(call)

    assert (answer.reason, answer.param) == ("invalid_request", "input[0]")


async def test_above_the_threshold_a_compaction_opens_the_output_and_the_next_turn_starts_there(
    core: CoreUnderTest,
) -> None:
    used = TokenUsage(input_tokens=1500, output_tokens=10)
    core.model.add(says("Hi"), says("Alice is here.", usage=used), says("You are Alice", usage=used), says("Yes"))
    first = await create(core, "I am Alice")
    core.model.tokens = 1001
    settings = ResponseSettings(compact_threshold=1000)

    events = await stream(core, "Who am I?", previous_response_id=first.id, settings=settings)
    final = events[-1].completed.response
    assert told(core) == [FRAME, SUMMARY, "Who am I?"]
    await create(core, "Sure?", previous_response_id=final.id)

    kinds = [event.WhichOneof("kind") for event in events]
    assert kinds[2:5] == ["status", "output_item_added", "output_item_done"]
    assert events[2].status.status == "compacting"
    assert [item.WhichOneof("kind") for item in final.output] == ["compaction", "message"]
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3000, 20)
    assert told(core) == [FRAME, SUMMARY, "Who am I?", "You are Alice", "Sure?"]


async def test_the_calls_that_the_input_answers_are_not_summed_up(core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here."), says("Seen"))
    core.model.tokens = 2000
    items = [user("I am Alice"), call("a"), output("a", "an owl"), call("b"), output("b", "a heron")]

    await create(core, *items, settings=ResponseSettings(compact_threshold=1000))

    assert words_of(tuple(core.model.prompts[0].items)) == ["I am Alice", "look({})", "→ an owl", ASK]
    assert told(core) == [FRAME, SUMMARY, "look({})", "→ a heron"]


async def test_below_the_threshold_nothing_happens(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Yes"))
    core.model.tokens = 1000
    settings = ResponseSettings(compact_threshold=1000)

    first = await create(core, "I am Alice", settings=settings)
    second = await create(core, "And?", previous_response_id=first.id, settings=settings)

    assert [item.WhichOneof("kind") for item in second.output] == ["message"]
    assert not second.settings.ignored


async def test_a_new_conversation_has_nothing_to_compact_and_neither_has_a_summary(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Alice is here."), says("Yes"))
    core.model.tokens = 5000
    settings = ResponseSettings(compact_threshold=1000)

    first = await create(core, "I am Alice", settings=settings)
    short = await compact(core, previous_response_id=first.id)
    second = await create(core, *short.output, "Go on", settings=settings)

    assert [item.WhichOneof("kind") for item in (*first.output, *second.output)] == ["message", "message"]


async def test_a_model_that_can_not_count_is_measured_by_the_turn_before(core: CoreUnderTest) -> None:
    large = TokenUsage(input_tokens=1500, output_tokens=10)
    small = TokenUsage(input_tokens=50, output_tokens=10)
    core.model.add(says("Hi", usage=large), says("Alice is here.", usage=large), says("Yes", usage=small), says("Sure"))
    settings = ResponseSettings(compact_threshold=1000)

    first = await create(core, "I am Alice", settings=settings)
    second = await create(core, "And?", previous_response_id=first.id, settings=settings)
    third = await create(core, "Well?", previous_response_id=second.id, settings=settings)

    assert list(first.settings.ignored) == ["context_management"]
    assert [item.WhichOneof("kind") for item in second.output] == ["compaction", "message"]
    assert not second.settings.ignored
    # What the turn before cost was not what is left of it.
    assert [item.WhichOneof("kind") for item in third.output] == ["message"]
    assert list(third.settings.ignored) == ["context_management"]


async def test_a_summary_that_fails_ends_the_response_and_its_tokens_count(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("", usage=TokenUsage(input_tokens=1500, output_tokens=0)))
    first = await create(core, "I am Alice")
    core.model.tokens = 2000

    events = await stream(
        core, "And?", previous_response_id=first.id, settings=ResponseSettings(compact_threshold=1000)
    )

    failed = events[-1].failed.response
    assert (failed.error.code, failed.usage.input_tokens) == ("invalid_output", 1500)


async def test_a_response_is_cancelled_while_its_conversation_is_summed_up(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Alice")], asyncio.Event()])
    core.model.tokens = 2000
    items = [user("I am Alice"), call("a"), output("a", "an owl"), user("And?")]
    settings = ResponseSettings(compact_threshold=1000, background=True)
    running = await create(core, *items, settings=settings)

    cancelled = await core.responses.CancelResponse(CancelResponseRequest(id=running.id), metadata=core.metadata())

    assert (cancelled.status, len(cancelled.output)) == (Response.STATUS_CANCELLED, 0)


async def test_a_threshold_is_a_thousand_at_least(core: CoreUnderTest) -> None:
    request = asking(core, settings=ResponseSettings(compact_threshold=999))
    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("invalid_request", "compact_threshold")
