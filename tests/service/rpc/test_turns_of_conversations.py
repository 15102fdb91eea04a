"""Responses in a conversation: what they read, what they leave there, and that one at a time does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from nodexa.v1 import conversation_service_pb2 as pb
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest
from nodexa.v1.item_pb2 import ContentPart, InputImage, Item, ItemReference, Message
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    CountInputTokensRequest,
    DeleteResponseRequest,
    ListInputItemsRequest,
)

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, TextDelta, TokenUsage, ToolCallDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, Step, calls, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.conversations import add, conversations, converse, items_in
from tests.service.refusals import refusal
from tests.service.requests import asking, create, get, output, stream, user, watch, with_tools, words_of

LENGTH = Finish(FinishReason.LENGTH)
BACKGROUND = ResponseSettings(background=True)


def read(core: CoreUnderTest) -> list[str]:
    """What the model was shown last."""
    return words_of(tuple(core.model.prompts[-1].items))


async def running(core: CoreUnderTest, name: str, gate: asyncio.Event) -> Response:
    """A response in the conversation that says "Once" and waits for the gate."""
    core.model.add([[TextDelta("Once")], gate, [STOP]])
    return await create(core, "Wait", conversation_id=name, settings=BACKGROUND)


async def test_every_turn_reads_the_conversation_and_leaves_itself_there(core: CoreUnderTest) -> None:
    core.model.add(says("One."), says("Two."), says("Three."))
    name = await converse(core, "Count")

    first = await create(core, "Go", conversation_id=name)
    events = await stream(core, "On", conversation_id=name)
    third = await create(core, "More", conversation_id=name, settings=BACKGROUND)
    await watch(core, third.id)

    assert read(core) == ["Count", "Go", "One.", "On", "Two.", "More"]
    assert words_of(await items_in(core, name)) == [*read(core), "Three."]
    assert first.conversation_id == name
    assert {event.created.response.conversation_id for event in events[:1]} == {name}
    assert (await get(core, third.id)).conversation_id == name
    own = await core.responses.ListInputItems(ListInputItemsRequest(response_id=third.id), metadata=core.metadata())
    assert words_of(list(own.items)) == ["More"]


async def test_calls_wait_in_the_conversation_for_their_outputs(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}"), ("hear", "{}")), says("Done."))
    name = await converse(core)
    asked = await create(core, "Look", conversation_id=name, settings=with_tools("look", "hear"))
    look, hear = (item.function_call.call_id for item in asked.output)

    missing = await refusal(create(core, "And?", output(look, "a cat"), conversation_id=name))
    unknown = await refusal(create(core, output("call_none", "a cat"), conversation_id=name))
    await create(core, "So?", output(hear, "a purr"), output(look, "a cat"), conversation_id=name)

    assert asked.status == Response.STATUS_REQUIRES_ACTION
    assert (missing.reason, missing.param) == ("missing_tool_output", "input")
    assert (unknown.reason, unknown.param) == ("unknown_call_id", "input[0].call_id")
    assert read(core) == ["Look", "look({})", "hear({})", "→ a purr", "→ a cat", "So?"]
    assert words_of(await items_in(core, name)) == [*read(core), "Done."]


async def test_outputs_may_be_put_into_the_conversation_beforehand(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", "{}")), says("Done."))
    name = await converse(core)
    asked = await create(core, "Look", conversation_id=name, settings=with_tools("look"))

    await add(core, name, output(asked.output[0].function_call.call_id, "a cat"))
    await create(core, "So?", conversation_id=name)

    assert read(core) == ["Look", "look({})", "→ a cat", "So?"]


ENDS: dict[str, tuple[Sequence[Step], list[str]]] = {
    "cut by a limit": ([[TextDelta("Half")], [LENGTH]], ["Go", "Half"]),
    "a call cut by a limit": ([[ToolCallDelta(index=0, name="look", arguments="{")], [LENGTH]], ["Go"]),
    "failed": ([[TextDelta("Half")], NodexaError("upstream_error", "Down.")], []),
}


@pytest.mark.parametrize(("turn", "left"), ENDS.values(), ids=ENDS)
async def test_what_a_turn_leaves_depends_on_its_end(
    core: CoreUnderTest, turn: Sequence[Step], left: list[str]
) -> None:
    core.model.add(turn, says("Next."))
    name = await converse(core)

    await create(core, "Go", conversation_id=name, settings=with_tools("look"))

    assert words_of(await items_in(core, name)) == left
    await create(core, "On", conversation_id=name)
    assert read(core) == [*left, "On"]


async def test_a_cancelled_turn_leaves_nothing_and_frees_the_conversation(core: CoreUnderTest) -> None:
    name = await converse(core, "Before")
    response = await running(core, name, asyncio.Event())

    await core.responses.CancelResponse(CancelResponseRequest(id=response.id), metadata=core.metadata())

    assert words_of(await items_in(core, name)) == ["Before"]
    core.model.add(says("Free."))
    await create(core, "On", conversation_id=name)
    assert read(core) == ["Before", "On"]


async def test_one_request_at_a_time_changes_a_conversation(core: CoreUnderTest) -> None:
    name, gate = await converse(core, "Before"), asyncio.Event()
    (before,) = await items_in(core, name)
    response = await running(core, name, gate)

    gone = pb.DeleteConversationItemRequest(conversation_id=name, id=before.id)
    for call in (
        create(core, "Me too", conversation_id=name),
        stream(core, "Me too", conversation_id=name),
        add(core, name, "Me too"),
        conversations(core).DeleteConversationItem(gone, metadata=core.metadata()),
    ):
        answer = await refusal(call)
        assert (answer.status, answer.reason, answer.param) == ("ABORTED", "conversation_locked", "conversation")
        assert response.id in answer.message

    update = pb.UpdateConversationRequest(id=name, metadata={"a": "1"})
    await conversations(core).UpdateConversation(update, metadata=core.metadata())
    gate.set()
    await watch(core, response.id)
    assert words_of(await items_in(core, name)) == ["Before", "Wait", "Once"]
    await add(core, name, "Me too")


async def test_of_requests_at_the_same_time_one_is_taken(core: CoreUnderTest) -> None:
    name, gate = await converse(core), asyncio.Event()
    core.model.add(*[[[TextDelta("Hi")], gate, [STOP]]] * 5)
    requests = [create(core, str(number), conversation_id=name, settings=BACKGROUND) for number in range(5)]

    answers = await asyncio.gather(*requests, return_exceptions=True)

    (taken,) = [answer for answer in answers if isinstance(answer, Response)]
    gate.set()
    await watch(core, taken.id)
    assert len(await items_in(core, name)) == 2


async def test_a_restart_frees_the_conversation(settings: Settings, model: ScriptedModel) -> None:
    async with running_core(settings, model) as core:
        name = await converse(core, "Before")
        response = await running(core, name, asyncio.Event())

    async with running_core(settings, model) as again:
        assert (await get(again, response.id)).status == Response.STATUS_FAILED
        model.add(says("Free."))
        await create(again, "On", conversation_id=name)
        assert read(again) == ["Before", "On"]


async def test_a_response_whose_conversation_is_deleted_goes_on(core: CoreUnderTest) -> None:
    name, gate = await converse(core), asyncio.Event()
    response = await running(core, name, gate)

    await conversations(core).DeleteConversation(pb.DeleteConversationRequest(id=name), metadata=core.metadata())
    gate.set()

    assert (await watch(core, response.id))[-1].completed.response.status == Response.STATUS_COMPLETED
    assert (await refusal(create(core, "On", conversation_id=name))).reason == "conversation_not_found"


async def test_the_conversation_outlives_its_responses(core: CoreUnderTest) -> None:
    core.model.add(says("One."), says("Two."))
    name = await converse(core)
    first = await create(core, "Go", conversation_id=name)

    await core.responses.DeleteResponse(DeleteResponseRequest(id=first.id), metadata=core.metadata())
    await create(core, "On", conversation_id=name)

    assert read(core) == ["Go", "One.", "On"]


async def test_a_response_in_a_conversation_can_be_continued_apart_from_it(core: CoreUnderTest) -> None:
    core.model.add(says("One."), says("Apart."))
    name = await converse(core, "Count")
    first = await create(core, "Go", conversation_id=name)

    await create(core, "On", previous_response_id=first.id)

    # The chain of responses knows its own turns, and the conversation is left as it was.
    assert read(core) == ["Go", "One.", "On"]
    assert words_of(await items_in(core, name)) == ["Count", "Go", "One."]


async def test_an_item_of_the_conversation_is_named_and_not_sent_twice(core: CoreUnderTest) -> None:
    core.model.add(says("One."), says("Two."))
    name = await converse(core)
    first = await create(core, "Go", conversation_id=name)
    (said,) = first.output

    twice = await refusal(create(core, said, conversation_id=name))
    await create(core, Item(id=said.id, item_reference=ItemReference()), "On", conversation_id=name)

    assert (twice.reason, twice.param) == ("invalid_request", "input[0].id")
    assert words_of(await items_in(core, name)) == ["Go", "One.", "On", "Two."]


async def test_a_conversation_keeps_so_it_must_be_stored(core: CoreUnderTest) -> None:
    name = await converse(core)

    answer = await refusal(create(core, conversation_id=name, settings=ResponseSettings(store=False)))

    assert (answer.reason, answer.param) == ("invalid_request", "store")


async def test_what_the_model_can_not_read_is_named_by_its_place_in_the_conversation(settings: Settings) -> None:
    part = ContentPart(input_image=InputImage(image_url="https://pictures.example/cat.png"))
    picture = Item(message=Message(role=Message.ROLE_USER, content=[part]))
    async with running_core(settings, ScriptedModel(abilities=Abilities(images=False))) as core:
        name = await converse(core, user("Look"), picture)

        answer = await refusal(create(core, "What is it?", conversation_id=name))

    assert (answer.reason, answer.param) == ("input_not_supported_for_model", "conversation[1].content[0]")


async def test_a_compaction_stands_for_all_before_it_in_the_conversation(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Alice is here."), says("You are Alice"), says("Yes"))
    name = await converse(core, "I am Alice")
    await create(core, "Hello", conversation_id=name)
    core.model.tokens = 1001

    await create(core, "Who am I?", conversation_id=name, settings=ResponseSettings(compact_threshold=1000))
    await create(core, "Sure?", conversation_id=name)

    assert "I am Alice" not in read(core)
    assert read(core)[-3:] == ["Who am I?", "You are Alice", "Sure?"]
    assert "Alice is here." in "".join(read(core))
    kinds = [item.WhichOneof("kind") for item in await items_in(core, name)]
    assert kinds == [*["message"] * 4, "compaction", *["message"] * 3]


async def test_a_model_that_can_not_count_is_measured_by_the_turn_before(core: CoreUnderTest) -> None:
    used = TokenUsage(input_tokens=1500, output_tokens=10)
    core.model.add(says("Hi", usage=used), says("A greeting."), says("Yes"), says("Sure"))
    name = await converse(core)
    settings = ResponseSettings(compact_threshold=1000)

    turns = [await create(core, text, conversation_id=name, settings=settings) for text in ("Hello", "And?", "Well?")]

    assert [[item.WhichOneof("kind") for item in turn.output] for turn in turns] == [
        ["message"],
        ["compaction", "message"],
        ["message"],
    ]
    assert [list(turn.settings.ignored) for turn in turns] == [["context_management"], [], ["context_management"]]


async def test_counting_reads_the_conversation_and_locks_nothing(core: CoreUnderTest) -> None:
    name, gate = await converse(core, "Count"), asyncio.Event()
    response = await running(core, name, gate)
    core.model.tokens = 7
    request = CountInputTokensRequest(assistant_id=core.assistant_id, input=[user("Me")], conversation_id=name)

    counted = await core.responses.CountInputTokens(request, metadata=core.metadata())

    assert counted.input_tokens == 7
    assert words_of(tuple(core.model.counted[-1].items)) == ["Count", "Me"]
    gate.set()
    await watch(core, response.id)


async def test_an_assistant_key_answers_in_a_conversation_that_it_was_given(core: CoreUnderTest) -> None:
    core.model.add(says("One."))
    name = await converse(core, "Count")
    key = CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_ASSISTANT])
    made = await core.admin.CreateApiKey(key, metadata=core.metadata())
    metadata = [("x-api-key", made.secret)]

    answer = await core.responses.CreateResponse(asking(core, "Go", conversation_id=name), metadata=metadata)
    request = pb.ListConversationItemsRequest(conversation_id=name)
    refused = await refusal(conversations(core).ListConversationItems(request, metadata=metadata))

    assert answer.conversation_id == name
    assert refused.reason == "insufficient_scope"
    assert words_of(await items_in(core, name)) == ["Count", "Go", "One."]
