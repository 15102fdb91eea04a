"""What the model is told of earlier turns, whoever asks and whatever happened to them since."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CancelResponseRequest, DeleteResponseRequest

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, TextDelta, ToolCallDelta
from service.model.scripted import STOP, ScriptedModel, calls, says
from service.runner.caller import Caller
from service.runner.history import History
from service.settings import Settings
from service.store.responses import ResponseStore
from tests.conftest import CoreUnderTest, running_core
from tests.service.refusals import Refusal, refusal
from tests.service.requests import arrived, asking, create, organization_id, output, with_tools, words_of

NOT_FOUND = ("NOT_FOUND", "previous_response_not_found", "previous_response_id")


async def refused(core: CoreUnderTest, previous: str, **metadata: str) -> Refusal:
    request = asking(core, "Go on", previous_response_id=previous)
    return await refusal(core.responses.CreateResponse(request, metadata=core.metadata(**metadata)))


def told(core: CoreUnderTest) -> list[str]:
    """What the model saw last."""
    return words_of(tuple(core.model.prompts[-1].items))


async def test_a_long_conversation_is_told_from_its_beginning(core: CoreUnderTest) -> None:
    previous = ""
    for number in range(5):
        core.model.add(says(f"answer{number}"))
        previous = (await create(core, f"question{number}", previous_response_id=previous)).id

    assert told(core) == [f"{kind}{n}" for n in range(5) for kind in ("question", "answer")][:-1]


async def test_the_same_turn_can_be_continued_twice(core: CoreUnderTest) -> None:
    core.model.add(says("root"), says("left"), says("right"), says("leaf"))
    root = await create(core, "start")
    await create(core, "one way", previous_response_id=root.id)
    right = await create(core, "another way", previous_response_id=root.id)

    await create(core, "on", previous_response_id=right.id)

    assert told(core) == ["start", "root", "another way", "right", "on"]


async def test_a_conversation_goes_on_after_a_restart(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel([says("Hello Alice")])) as core:
        first = await create(core, "I am Alice")
    async with running_core(settings, ScriptedModel([says("Alice")])) as core:
        await create(core, "Who am I?", previous_response_id=first.id)

        assert told(core) == ["I am Alice", "Hello Alice", "Who am I?"]


async def test_a_cold_start_tells_the_same_as_the_memory(core: CoreUnderTest) -> None:
    core.model.add(calls(("look", '{"a": 1}'), ("look", "{}")), says("Seen"), says("Good"))
    first = await create(core, "Look", settings=with_tools("look"))
    ids = [item.function_call.call_id for item in first.output]
    second = await create(
        core, "And be quick", output(ids[1], "two"), output(ids[0], "one"), previous_response_id=first.id
    )
    third = await create(core, "Thanks", previous_response_id=second.id)
    caller = Caller(org_id=await organization_id(core), key_id="key")
    store = ResponseStore(core.core.database)
    warm, tight, cold = History(store), History(store, cache_bytes=0), History(store)
    await warm.recall(first.id, caller)
    await warm.recall(second.id, caller)

    recalled = [(await history.recall(third.id, caller)).said.items for history in (warm, tight, cold)]

    assert recalled[0] == recalled[1] == recalled[2]
    assert words_of(recalled[0]) == [
        *("Look", 'look({"a": 1})', "look({})", "→ two", "→ one", "And be quick", "Seen", "Thanks", "Good")
    ]


async def test_a_turn_whose_ancestor_was_deleted_cannot_be_continued(core: CoreUnderTest) -> None:
    core.model.add(says("a"), says("b"), says("c"))
    first = await create(core, "1")
    second = await create(core, "2", previous_response_id=first.id)
    third = await create(core, "3", previous_response_id=second.id)

    await core.responses.DeleteResponse(DeleteResponseRequest(id=first.id), metadata=core.metadata())

    answer = await refused(core, third.id)
    assert (answer.status, answer.reason, answer.param) == NOT_FOUND
    assert "was deleted" in answer.message
    assert (await refused(core, first.id)).reason == "previous_response_not_found"
    assert len(core.model.prompts) == 3


async def test_a_stranger_s_turn_is_as_unknown_as_one_that_never_was(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    hers = await create(core, "Hello", user_id="alice")

    never = await refused(core, "resp_never", x_user_id="bob", x_request_id="r")
    his = await refused(core, hers.id, x_user_id="bob", x_request_id="r")

    assert (never.status, never.reason, never.param) == NOT_FOUND
    assert his == replace(never, message=never.message.replace("resp_never", hers.id))


async def test_a_stranger_s_turn_further_back_is_not_told_either(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Ho"))
    hers = await create(core, "Hello", user_id="alice")
    nobodys = await create(core, "Go on", previous_response_id=hers.id)

    assert (await refused(core, nobodys.id, x_user_id="bob")).reason == "previous_response_not_found"


async def test_a_running_turn_is_not_ready(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    running = await create(core, settings=ResponseSettings(background=True))

    answer = await refused(core, running.id)

    assert (answer.status, answer.reason) == ("FAILED_PRECONDITION", "response_not_ready")
    await core.responses.CancelResponse(CancelResponseRequest(id=running.id), metadata=core.metadata())


async def test_a_failed_turn_cannot_be_continued_but_the_one_before_can(core: CoreUnderTest) -> None:
    core.model.add(says("a"), [[TextDelta("b")], NodexaError("upstream_error", "It broke.")], says("c"))
    first = await create(core, "1")
    second = await create(core, "2", previous_response_id=first.id)

    answer = await refused(core, second.id)
    await create(core, "3", previous_response_id=first.id)

    assert (answer.status, answer.reason) == ("FAILED_PRECONDITION", "previous_response_failed")
    assert told(core) == ["1", "a", "3"]


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.CONTENT_FILTER])
async def test_a_turn_that_was_cut_goes_on_without_the_call_that_was_cut(
    core: CoreUnderTest, reason: FinishReason
) -> None:
    core.model.add([[TextDelta("Well")], [ToolCallDelta(0, "look", "", '{"wh')], [Finish(reason)]], says("On"))
    first = await create(core, "Look", settings=with_tools("look"))

    await create(core, "Go on", previous_response_id=first.id)

    assert told(core) == ["Look", "Well", "Go on"]


async def test_a_cancelled_turn_can_be_continued(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], [ToolCallDelta(0, "look")], asyncio.Event()], says("On"))
    running = await create(core, "Tell", settings=with_tools("look", background=True))
    await arrived(core, running.id, "function_call")
    await core.responses.CancelResponse(CancelResponseRequest(id=running.id), metadata=core.metadata())

    await create(core, "Go on", previous_response_id=running.id)

    assert told(core) == ["Tell", "Once", "Go on"]


async def test_the_next_turn_does_not_inherit_instructions(core: CoreUnderTest) -> None:
    core.model.add(says("a"), says("b"))
    first = await create(core, settings=ResponseSettings(instructions="Be brief."))

    await create(core, "2", previous_response_id=first.id)

    assert core.model.prompts[0].instructions.endswith("Be brief.")
    assert "Be brief." not in core.model.prompts[1].instructions


async def test_calls_must_be_answered_before_the_conversation_goes_on(core: CoreUnderTest) -> None:
    core.model.add([[ToolCallDelta(0, "look", "c1"), ToolCallDelta(1, "look", "c2"), STOP]], says("Seen"))
    first = await create(core, "Look", settings=with_tools("look"))

    answer = await refused(core, first.id)
    assert (answer.status, answer.reason) == ("FAILED_PRECONDITION", "missing_tool_output")
    await create(core, output("c2", "2"), output("c1", "1"), previous_response_id=first.id)

    assert told(core) == ["Look", "look()", "look()", "→ 2", "→ 1"]
