"""Calls that somebody has to approve of, or that want a token of the user: held, and made by a later response."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nodexa.v1.conversation_service_pb2 import CreateConversationRequest
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.item_pb2 import Item, Opaque
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.tool_pb2 import ToolSet

from service.model.scripted import ScriptedModel, calls, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.tool_kind import PROVIDER, FakeKind, FakeTool, fake_tool
from tests.service.refusals import refusal
from tests.service.requests import asking, create, stream, user, words_of
from tests.service.runner.ladder import climb

USING = ResponseSettings(tools=ToolSet(tools=[fake_tool()]))
TOKENS = {PROVIDER: "canary"}


@pytest.fixture
def kind() -> FakeKind:
    """The kind `mcp` of `core`."""
    return FakeKind(
        FakeTool("look", "It rains."),
        FakeTool("send", "Sent.", approval=True),
        FakeTool("open", "A file.", provider=PROVIDER),
        FakeTool("quiet", "A file.", provider=PROVIDER, type=""),
    )


@pytest.fixture
async def core(settings: Settings, model: ScriptedModel, kind: FakeKind) -> AsyncIterator[CoreUnderTest]:
    async with running_core(settings, model, kinds={"mcp": kind}) as running:
        yield running


def answering(request_id: object, *, approve: object = True, **more: str) -> Item:
    said = {"type": "mcp_approval_response", "approval_request_id": request_id, "approve": approve, **more}
    return Item(opaque=Opaque(type="mcp_approval_response", json=json.dumps(said)))


def told(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(item.opaque.json)
    return found


def types(response: Response) -> list[str]:
    return [item.opaque.type or str(item.WhichOneof("kind")) for item in response.output]


async def held(core: CoreUnderTest, name: str, **more: Any) -> Response:
    """A response that ended because a call of that name can't be made yet."""
    core.model.add(calls((name, '{"to":"bob"}')))
    events = await stream(core, settings=USING, **more)
    climb(events)
    response = events[-1].completed.response
    assert response.status == Response.STATUS_REQUIRES_ACTION
    return response


async def test_a_call_is_made_once_somebody_approved_of_it(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    request = first.output[-1]
    assert (told(request)["name"], told(request)["arguments"]) == ("send", '{"to":"bob"}')
    assert request.id.startswith("mcpr_")
    assert not kind.tools["send"].calls

    core.model.add(says("It is sent."))
    events = await stream(core, answering(request.id), settings=USING, previous_response_id=first.id)

    climb(events)
    call = events[-1].completed.response.output[0]
    assert (told(call)["output"], told(call)["approval_request_id"]) == ("Sent.", request.id)
    assert words_of(list(core.model.prompts[1].items)) == ["Hello", 'send({"to":"bob"})', "→ Sent."]
    assert len(kind.tools["send"].calls) == 1


async def test_an_approval_is_for_the_tool_as_it_was_described(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    kind.tools["send"].description = "Sends it, and a copy to a stranger."

    response = await create(core, answering(first.output[-1].id), settings=USING, previous_response_id=first.id)

    assert response.status == Response.STATUS_REQUIRES_ACTION
    assert types(response) == ["mcp_approval_request"]
    assert not kind.tools["send"].calls
    core.model.add(says("It is sent."))
    again = answering(response.output[-1].id)
    response = await create(core, again, settings=USING, previous_response_id=response.id)
    assert response.status == Response.STATUS_COMPLETED
    assert len(kind.tools["send"].calls) == 1


async def test_a_call_that_was_refused_is_told_as_that(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    core.model.add(says("As you wish."), says("Yes."))

    answer = answering(first.output[-1].id, approve=False, reason="Too early.")
    second = await create(core, answer, settings=USING, previous_response_id=first.id)
    await create(core, "Sure?", settings=USING, previous_response_id=second.id)

    for prompt in core.model.prompts[1:]:
        _, call, outcome, *_ = words_of(list(prompt.items))
        assert call == 'send({"to":"bob"})'
        assert "refused" in outcome
        assert "Too early." in outcome
    assert not kind.tools["send"].calls


async def test_who_goes_on_without_answering_can_answer_later(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    core.model.add(says("Hm."), says("Sent."))

    second = await create(core, "Something else", settings=USING, previous_response_id=first.id)
    await create(core, answering(first.output[-1].id), settings=USING, previous_response_id=second.id)

    assert words_of(list(core.model.prompts[1].items)) == ["Hello", "Something else"]
    assert len(kind.tools["send"].calls) == 1


async def test_other_calls_of_the_pass_are_made(core: CoreUnderTest, kind: FakeKind) -> None:
    core.model.add(calls(("send", "{}"), ("look", "{}")), says("Both."))

    first = await create(core, settings=USING)
    await create(core, answering(first.output[-1].id), settings=USING, previous_response_id=first.id)

    assert types(first) == ["mcp_list_tools", "mcp_call", "mcp_approval_request"]
    assert words_of(list(core.model.prompts[1].items))[1:] == ["look({})", "→ It rains.", "send({})", "→ Sent."]


async def test_an_answer_counts_once_and_for_a_request_of_the_conversation(core: CoreUnderTest) -> None:
    first = await held(core, "send")
    core.model.add(says("Sent."))
    answer = answering(first.output[-1].id)
    second = await create(core, answer, settings=USING, previous_response_id=first.id)

    again = await refusal(create(core, answer, settings=USING, previous_response_id=second.id))
    twice = await refusal(create(core, answer, answer, settings=USING, previous_response_id=first.id))
    unknown = await refusal(create(core, answering("mcpr_x"), settings=USING, previous_response_id=first.id))
    vague = await refusal(
        create(core, answering(first.output[-1].id, approve="yes"), settings=USING, previous_response_id=first.id)
    )

    assert {each.reason for each in (again, twice, unknown)} == {"unknown_approval_request"}
    assert [each.param for each in (again, twice, unknown)] == [
        *("input[0].approval_request_id", "input[1].approval_request_id", "input[0].approval_request_id"),
    ]
    assert (vague.reason, vague.param) == ("invalid_request", "input[0].approve")


def as_sent(item: Item) -> Item:
    """The item as a client has it that keeps its own history: what only the platform knows isn't in it."""
    return Item(id=item.id, opaque=item.opaque)


async def test_a_client_that_keeps_its_own_history_approves_too(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    history = [user("Hello"), *map(as_sent, first.output), answering(first.output[-1].id)]
    forged = json.loads(history[-2].opaque.json) | {"name": "look", "arguments": '{"to":"eve"}'}
    history[-2].opaque.json = json.dumps(forged)
    core.model.add(says("It is sent."), says("Yes."))

    second = await create(core, *history, settings=USING)
    later = [*history, *map(as_sent, second.output[:1]), *second.output[1:], user("Sure?")]
    third = await create(core, *later, settings=USING)

    assert (types(second), told(second.output[0])["output"]) == (["mcp_call", "message"], "Sent.")
    assert [call.arguments for call in kind.tools["send"].calls] == ['{"to":"bob"}']
    assert not kind.tools["look"].calls
    assert types(third) == ["message"]


async def test_nobody_approves_of_what_was_asked_of_another_user(core: CoreUnderTest, kind: FakeKind) -> None:
    core.model.add(calls(("send", "{}")))
    first = await create(core, settings=USING, user_id="alice")
    history = [user("Hello"), *map(as_sent, first.output), answering(first.output[-1].id)]

    answer = await refusal(create(core, *history, settings=USING, user_id="bob"))

    assert (answer.reason, answer.param) == ("unknown_approval_request", "input[3].approval_request_id")
    assert not kind.tools["send"].calls


async def test_it_works_in_a_conversation(core: CoreUnderTest, kind: FakeKind) -> None:
    conversations = ConversationServiceStub(core.channel)
    made = await conversations.CreateConversation(CreateConversationRequest(), metadata=core.metadata())
    first = await held(core, "send", conversation_id=made.id)
    core.model.add(says("Sent."))

    second = await create(core, answering(first.output[-1].id), settings=USING, conversation_id=made.id)

    assert types(second) == ["mcp_call", "message"]
    assert not second.settings.ignored


async def test_a_call_is_made_once_its_token_is_brought(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "open")
    assert types(first) == ["mcp_list_tools", "mcp_call", "oauth_required"]
    assert told(first.output[1])["status"] == "incomplete"
    wanted = told(first.output[2])
    assert (wanted["provider"], wanted["url"]) == (PROVIDER, "https://drive.test/allow")
    assert (wanted["name"], wanted["arguments"]) == ("open", '{"to":"bob"}')

    core.model.add(says("A file it is."))
    request = asking(core, settings=USING, previous_response_id=first.id, user_tokens=TOKENS)
    request.ClearField("input")
    second = await core.responses.CreateResponse(request, metadata=core.metadata())

    assert types(second) == ["mcp_call", "message"]
    assert words_of(list(core.model.prompts[1].items)) == ["Hello", 'open({"to":"bob"})', "→ A file."]
    assert len(kind.tools["open"].calls) == 2


@pytest.mark.parametrize("name", ["open", "quiet"])
async def test_it_is_made_no_second_time(core: CoreUnderTest, kind: FakeKind, name: str) -> None:
    first = await held(core, name)
    core.model.add(says("A file."), says("Bye."))
    second = await create(core, "Here", settings=USING, previous_response_id=first.id, user_tokens=TOKENS)

    await create(core, "Thanks", settings=USING, previous_response_id=second.id, user_tokens=TOKENS)

    assert len(kind.tools[name].calls) == 2


async def test_without_the_token_it_goes_on_without_the_call(core: CoreUnderTest) -> None:
    first = await held(core, "open")
    core.model.add(says("Fine."))

    second = await create(core, "Never mind", settings=USING, previous_response_id=first.id)

    assert words_of(list(core.model.prompts[1].items)) == ["Hello", "Never mind"]
    assert types(second) == ["message"]


async def test_nothing_new_at_all_is_refused(core: CoreUnderTest) -> None:
    core.model.add(says("Hi."))
    first = await create(core)
    request = asking(core, previous_response_id=first.id, user_tokens=TOKENS)
    request.ClearField("input")

    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata()))

    assert (answer.reason, answer.param) == ("missing_required_field", "input")


async def test_a_source_that_wants_a_token_is_opened_once_it_is_there(settings: Settings) -> None:
    kind = FakeKind(FakeTool("look", "It rains."), wants=PROVIDER)
    async with running_core(settings, ScriptedModel([says("Hello.")]), kinds={"mcp": kind}) as core:
        first = await create(core, settings=USING)
        request = asking(core, settings=USING, previous_response_id=first.id, user_tokens=TOKENS)
        request.ClearField("input")
        second = await core.responses.CreateResponse(request, metadata=core.metadata())

    assert (types(first), first.status) == (["oauth_required"], Response.STATUS_REQUIRES_ACTION)
    assert types(second) == ["mcp_list_tools", "message"]


async def test_a_held_call_whose_tool_is_gone_is_told_as_not_made(core: CoreUnderTest, kind: FakeKind) -> None:
    first = await held(core, "send")
    core.model.add(says("Oh."))

    await create(core, answering(first.output[-1].id), user("Go"), previous_response_id=first.id)

    assert "not there any more" in words_of(list(core.model.prompts[1].items))[-1]
    assert not kind.tools["send"].calls


async def test_a_held_call_outlives_a_restart(settings: Settings) -> None:
    kind = FakeKind(FakeTool("send", "Sent.", approval=True))
    async with running_core(settings, ScriptedModel(), kinds={"mcp": kind}) as core:
        first = await held(core, "send")
    async with running_core(settings, ScriptedModel([says("Sent.")]), kinds={"mcp": kind}) as core:
        second = await create(core, answering(first.output[-1].id), settings=USING, previous_response_id=first.id)

    assert types(second) == ["mcp_call", "message"]
    assert len(kind.tools["send"].calls) == 1
