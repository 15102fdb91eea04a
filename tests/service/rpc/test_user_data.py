"""A user's rights: all that is kept of them is given out, or erased from every file of the database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.admin_service_pb2 import ListAuditEventsRequest
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import ToolSet
from nodexa.v1.user_data_service_pb2 import EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse
from nodexa.v1.user_data_service_pb2_grpc import UserDataServiceStub
from nodexa.v1.user_pb2 import Claim
from nodexa.v1.user_service_pb2 import ListClaimsRequest, SetClaimsRequest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, ScriptedModel, calls, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.tool_kind import FakeKind, FakeTool, fake_tool
from tests.service.conversations import converse, items_in
from tests.service.keys import as_another_organization
from tests.service.memories import remembered
from tests.service.refusals import refusal
from tests.service.requests import create, get, organization_id, user, words_of

CANARY = "kanarienvogel"


async def exported(core: CoreUnderTest, user_id: str = "alice", org_id: str = "") -> list[ExportUserResponse]:
    stub = UserDataServiceStub(core.channel)
    request = ExportUserRequest(user_id=user_id, organization_id=org_id)
    return [record async for record in stub.ExportUser(request, metadata=core.metadata())]


async def erase(core: CoreUnderTest, user_id: str = "alice", org_id: str = "") -> EraseUserResponse:
    stub = UserDataServiceStub(core.channel)
    request = EraseUserRequest(user_id=user_id, organization_id=org_id)
    return await stub.EraseUser(request, metadata=core.metadata())


async def claim(core: CoreUnderTest, user_id: str, value: str) -> None:
    request = SetClaimsRequest(claims=[Claim(key=value, value_json=f'"{value}"')])
    await core.users.SetClaims(request, metadata=core.metadata(x_user_id=user_id))


async def kept(core: CoreUnderTest, user_id: str, word: str) -> tuple[str, str]:
    """Something of everything about a user, the word in each; the ids of the conversation and a response."""
    await claim(core, user_id, word)
    await remembered(core, user_id, f"Likes the {word}.")
    conversation = await converse(core, user(f"A {word}"), user_id=user_id)
    core.model.add(says(f"Yes, a {word}"), says(f"The {word} " * 3000), says("Well"))
    await create(core, f"My {word}", user_id=user_id, conversation_id=conversation)
    first = await create(core, f"Our {word}", user_id=user_id, request_id=f"{word}-{user_id}")
    await create(core, "And?", user_id=user_id, previous_response_id=first.id)
    return conversation, first.id


def traces(data: Path) -> list[str]:
    """The files of the database that have the canary in them, in any encoding of ours."""
    return [path.name for path in data.glob("nodexa.db*") if CANARY.encode() in path.read_bytes()]


async def test_an_export_has_everything_of_the_user_and_of_nobody_else(core: CoreUnderTest) -> None:
    conversation, response = await kept(core, "alice", "cat")
    await kept(core, "bob", "dog")

    records = await exported(core)

    found = [record.WhichOneof("record") for record in records]
    assert list(dict.fromkeys(found)) == ["claim", "memory", "conversation", "response", "log"]
    assert b"dog" not in b"".join(record.SerializeToString() for record in records)
    (chat,) = [record.conversation for record in records if record.HasField("conversation")]
    assert chat.conversation.id == conversation
    assert words_of(list(chat.items)) == ["A cat", "My cat", "Yes, a cat"]
    responses = [record.response for record in records if record.HasField("response")]
    assert [words_of(list(each.input))[0] for each in responses] == ["Hello", "My cat", "Our cat", "And?"]
    assert await get(core, response) in [each.response for each in responses]
    numbers = [
        event.sequence_number for record in records if record.log.response_id == response for event in record.log.events
    ]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 5


async def test_what_is_erased_is_in_no_file_of_the_database(core: CoreUnderTest) -> None:
    await kept(core, "alice", CANARY)
    await kept(core, "bob", "dog")
    assert traces(core.data)

    erased = await erase(core)

    assert (erased.responses, erased.conversations, erased.claims, erased.memories) == (4, 1, 1, 1)
    assert traces(core.data) == []
    assert await exported(core) == []
    assert len(await exported(core, "bob")) > 8
    assert await erase(core) == EraseUserResponse()


async def test_what_tools_were_asked_for_her_is_given_out_and_erased_with_their_journal(
    settings: Settings, model: ScriptedModel
) -> None:
    kind = FakeKind(FakeTool("look", f"A {CANARY} sings."), FakeTool("send", "Sent.", approval=True))
    model.add(calls(("look", f'{{"bird":"{CANARY}"}}'), ("send", f'{{"what":"{CANARY}"}}')))
    async with running_core(settings, model, kinds={"mcp": kind}) as core:
        await create(core, user_id="alice", settings=ResponseSettings(tools=ToolSet(tools=[fake_tool()])))
        assert CANARY.encode() in b"".join(record.SerializeToString() for record in await exported(core))
        assert traces(core.data)

        await erase(core)

        assert traces(core.data) == []


async def test_many_responses_leave_no_traces_either(core: CoreUnderTest) -> None:
    for number in range(30):
        core.model.add(says(f"{CANARY} " * (number * 17 % 400 + 1)))
        await create(core, f"{CANARY} {number}", user_id="alice" if number % 3 else "bob")
    await erase(core)
    assert traces(core.data), "Bob's are still there"
    await erase(core, "bob")
    assert traces(core.data) == []


async def test_what_runs_is_cancelled_first(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta(CANARY)], gate, [STOP]], [[TextDelta("Mine")], [STOP]])
    hers = await create(core, user_id="alice", settings=ResponseSettings(background=True))

    assert (await erase(core)).responses == 1

    assert core.model.stopped == 1
    assert traces(core.data) == []
    assert (await refusal(get(core, hers.id))).reason == "response_not_found"


async def test_what_was_said_in_a_conversation_of_nobody_s_is_taken_out_of_it(core: CoreUnderTest) -> None:
    shared = await converse(core, user("Before"))
    core.model.add(says(CANARY), says("Fine"))
    await create(core, CANARY, user_id="alice", conversation_id=shared)
    await create(core, "Me too", user_id="bob", conversation_id=shared)

    await erase(core)

    assert words_of(await items_in(core, shared)) == ["Before", "Me too", "Fine"]
    assert traces(core.data) == []


async def test_both_are_noted_without_saying_whom_they_were_about(core: CoreUnderTest) -> None:
    await claim(core, "alice@example.com", "x")
    await exported(core, "alice@example.com")
    await erase(core, "alice@example.com")

    noted = await core.admin.ListAuditEvents(ListAuditEventsRequest(), metadata=core.metadata())

    erasure, export = noted.audit_events[:2]
    assert (erasure.act, export.act, erasure.target_id) == ("user.erase", "user.export", "")
    assert erasure.changes_json == '{"claims": {"from": null, "to": 1}}'
    assert "alice" not in str(noted)


async def test_a_user_is_one_of_an_organization(core: CoreUnderTest) -> None:
    theirs, org_id = await as_another_organization(core)
    await claim(core, "alice", "ours")
    await claim(theirs, "alice", "theirs")

    assert (await erase(core, org_id=org_id)).claims == 1, "the operator may name any organization"
    left = await core.users.ListClaims(ListClaimsRequest(), metadata=core.metadata(x_user_id="alice"))
    assert [each.key for each in left.claims] == ["ours"]
    answer = await refusal(erase(theirs, org_id=await organization_id(core)))
    assert (answer.reason, answer.param) == ("organization_not_found", "organization_id")


@pytest.mark.parametrize("user_id", ["", "x" * 257, "a\nb"])
async def test_a_user_has_to_be_named(core: CoreUnderTest, user_id: str) -> None:
    nobody = replace(core)
    for call in (exported(nobody, user_id), erase(nobody, user_id)):
        answer = await refusal(call)
        assert (answer.reason, answer.param) == ("invalid_user_id", "user_id")
