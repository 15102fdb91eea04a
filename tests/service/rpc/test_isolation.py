"""A thing of another organization or user, or one that was deleted, is exactly as unknown as one that never was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import cast

import pytest
from google.protobuf.message import Message
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    DeleteAssistantRequest,
    GetAssistantRequest,
    GetOrganizationRequest,
    ListApiKeysRequest,
    ListAssistantsRequest,
    ListAuditEventsRequest,
)
from nodexa.v1.file_service_pb2 import WriteFileDataRequest
from nodexa.v1.item_pb2 import Item, ItemReference
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    DeleteResponseRequest,
    GetResponseRequest,
    ListInputItemsRequest,
    ListResponsesRequest,
    WatchResponseRequest,
)

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.service.conversations import converse, items_in
from tests.service.files import files, search, store, upload
from tests.service.keys import revoke, with_another_key
from tests.service.refusals import Refusal, refusal
from tests.service.requests import create, said, user, watch, words_of
from tests.service.rpc.naming import (
    CONVERSATIONS,
    FILES,
    OF_A_CONVERSATION,
    OF_A_FILE,
    OF_A_KEY,
    OF_A_RESPONSE,
    OF_A_STORE,
    OF_A_USER,
    OF_AN_ASSISTANT,
    OF_AN_ORGANIZATION,
    RESPONSES,
    STORES,
    WITHOUT,
    Request,
    by,
    expect_unknown,
    name_of,
)
from tests.service.rpc.rpcs import METHODS, request_of, rpc


def test_every_rpc_that_takes_an_id_is_in_the_tables() -> None:
    things = (OF_A_RESPONSE, OF_A_CONVERSATION, OF_A_FILE, OF_A_STORE, OF_AN_ASSISTANT, OF_A_USER, OF_A_KEY)
    tables = [row for table in (*things, OF_AN_ORGANIZATION) for row in table]

    assert {method for method, _ in tables} | WITHOUT == set(METHODS)


@pytest.mark.parametrize(("method", "request_"), OF_A_RESPONSE, ids=name_of)
@pytest.mark.parametrize("running", [False, True], ids=["final", "running"])
async def test_another_organization_s_response_is_unknown(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request, *, running: bool
) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Mine")], *([gate] if running else []), [STOP]])
    mine = await create(core, settings=ResponseSettings(background=True))
    if not running:
        await watch(core, mine.id)

    await expect_unknown(other, method, request_, mine.id)

    gate.set()
    assert said((await watch(core, mine.id))[-1].completed.response) == "Mine"
    assert len(core.model.prompts) == 1


@pytest.mark.parametrize(("method", "request_"), OF_A_RESPONSE, ids=name_of)
@pytest.mark.parametrize("running", [False, True], ids=["final", "running"])
async def test_another_user_s_response_is_unknown(
    core: CoreUnderTest, method: str, request_: Request, *, running: bool
) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Hers")], *([gate] if running else []), [STOP]])
    hers = await create(core, user_id="alice", settings=ResponseSettings(background=True))
    if not running:
        await watch(core, hers.id)

    await expect_unknown(core, method, request_, hers.id, user_id="bob")

    gate.set()
    assert said((await watch(core, hers.id))[-1].completed.response) == "Hers"


@pytest.mark.parametrize(("method", "request_"), OF_A_RESPONSE, ids=name_of)
async def test_a_deleted_response_is_unknown(core: CoreUnderTest, method: str, request_: Request) -> None:
    core.model.add(says("Gone"))
    gone = await create(core)
    await core.responses.DeleteResponse(DeleteResponseRequest(id=gone.id), metadata=core.metadata())

    await expect_unknown(core, method, request_, gone.id)


async def first_conversation(core: CoreUnderTest, *, user_id: str = "") -> str:
    first = user("Mine")
    first.id = "msg_first"
    return await converse(core, first, user_id=user_id)


@pytest.mark.parametrize(("method", "request_"), OF_A_CONVERSATION, ids=name_of)
async def test_another_organization_s_conversation_is_unknown(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request
) -> None:
    mine = await first_conversation(core)

    await expect_unknown(other, method, request_, mine)

    assert words_of(await items_in(core, mine)) == ["Mine"]


@pytest.mark.parametrize(("method", "request_"), OF_A_CONVERSATION, ids=name_of)
async def test_another_user_s_conversation_is_unknown(core: CoreUnderTest, method: str, request_: Request) -> None:
    hers = await first_conversation(core, user_id="alice")

    await expect_unknown(core, method, request_, hers, user_id="bob")

    assert words_of(await items_in(core, hers)) == ["Mine"]


@pytest.mark.parametrize(("method", "request_"), OF_A_CONVERSATION, ids=name_of)
async def test_a_deleted_conversation_is_unknown(core: CoreUnderTest, method: str, request_: Request) -> None:
    gone = await first_conversation(core)
    deletion = request_of(CONVERSATIONS + "DeleteConversation", id=gone)
    await cast(Awaitable[Message], rpc(core.channel, CONVERSATIONS + "DeleteConversation", deletion, core.metadata()))

    await expect_unknown(core, method, request_, gone)


async def test_an_item_of_another_conversation_is_no_item_of_this_one(core: CoreUnderTest) -> None:
    mine = await converse(core)
    await first_conversation(core)
    method = CONVERSATIONS + "GetConversationItem"
    request = request_of(method, conversation_id=mine, id="msg_first")

    assert (await refusal(rpc(core.channel, method, request, core.metadata()))).reason == "item_not_found"


async def test_a_reference_to_an_item_of_another_s_conversation_is_one_to_nothing(
    core: CoreUnderTest, other: CoreUnderTest
) -> None:
    await first_conversation(core, user_id="alice")
    named = Item(id="msg_first", item_reference=ItemReference())

    for seen, user_id in ((other, ""), (core, "bob")):
        assert (await refusal(create(seen, named, user_id=user_id))).param == "input[0].id"


async def test_another_organization_s_files_and_vector_stores_are_unknown(
    core: CoreUnderTest, other: CoreUnderTest
) -> None:
    file, upload_id = await upload(core, "Mine"), await begun(core)
    made = await store(core, file)

    for method, request_ in OF_A_FILE:
        await expect_unknown(other, method, request_, upload_id if "upload" in str(request_("x", "")) else file)
    for method, request_ in OF_A_STORE:
        await expect_unknown(other, method, request_, made)

    assert [text for _, text, _ in await search(core, made, "mine")] == ["Mine"]


async def test_deleted_files_and_vector_stores_are_unknown(core: CoreUnderTest) -> None:
    file, made = await upload(core, "Mine"), await store(core)
    for method, name in ((FILES + "DeleteFile", file), (STORES + "DeleteVectorStore", made)):
        await cast(Awaitable[Message], rpc(core.channel, method, request_of(method, id=name), core.metadata()))

    for method, request_ in OF_A_FILE:
        await expect_unknown(core, method, request_, file)
    for method, request_ in OF_A_STORE:
        await expect_unknown(core, method, request_, made)


async def begun(core: CoreUnderTest) -> str:
    request = WriteFileDataRequest(data=b"Mine")
    return (await files(core).WriteFileData(request, metadata=core.metadata())).upload_id


@pytest.mark.parametrize(("method", "request_"), OF_AN_ASSISTANT, ids=name_of)
async def test_another_organization_s_assistant_is_unknown(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request
) -> None:
    await expect_unknown(other, method, request_, core.assistant_id)

    kept = await core.admin.GetAssistant(GetAssistantRequest(id=core.assistant_id), metadata=core.metadata())
    assert kept.name == "First"


@pytest.mark.parametrize(("method", "request_"), OF_AN_ASSISTANT, ids=name_of)
async def test_a_deleted_assistant_is_unknown(core: CoreUnderTest, method: str, request_: Request) -> None:
    await core.admin.DeleteAssistant(DeleteAssistantRequest(id=core.assistant_id), metadata=core.metadata())

    await expect_unknown(core, method, request_, core.assistant_id)


@pytest.mark.parametrize(("method", "request_"), OF_A_KEY, ids=name_of)
async def test_another_organization_s_key_is_unknown(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request
) -> None:
    request = CreateApiKeyRequest(name="mine", scopes=[ApiKey.SCOPE_FULL_ACCESS])
    mine = await core.admin.CreateApiKey(request, metadata=core.metadata())

    await expect_unknown(other, method, request_, mine.api_key.id)

    still = await core.admin.GetOrganization(GetOrganizationRequest(), metadata=[("x-api-key", mine.secret)])
    assert still.operator


@pytest.mark.parametrize(("method", "request_"), OF_AN_ORGANIZATION, ids=name_of)
async def test_another_organization_is_unknown(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request
) -> None:
    mine = await core.admin.GetOrganization(GetOrganizationRequest(), metadata=core.metadata())

    await expect_unknown(other, method, request_, mine.id)


async def test_the_operator_sees_every_organization(core: CoreUnderTest, other: CoreUnderTest) -> None:
    theirs = await core.admin.GetOrganization(GetOrganizationRequest(), metadata=other.metadata())

    seen = await core.admin.GetOrganization(GetOrganizationRequest(id=theirs.id), metadata=core.metadata())
    assert seen == theirs


async def test_lists_hold_nothing_of_others(core: CoreUnderTest, other: CoreUnderTest) -> None:
    core.model.add(says("Mine"))
    await create(core)

    responses = await core.responses.ListResponses(ListResponsesRequest(), metadata=other.metadata())
    assistants = await core.admin.ListAssistants(ListAssistantsRequest(), metadata=other.metadata())
    keys = await core.admin.ListApiKeys(ListApiKeysRequest(), metadata=other.metadata())
    acts = await core.admin.ListAuditEvents(ListAuditEventsRequest(), metadata=other.metadata())

    await store(core, await upload(core))
    for method in (FILES + "ListFiles", STORES + "ListVectorStores"):
        listed = await cast(Awaitable[Message], rpc(core.channel, method, request_of(method), other.metadata()))
        assert not listed.ListFields()
    assert not responses.responses
    assert [event.target_id for event in acts.audit_events] == [other.assistant_id]
    assert [assistant.id for assistant in assistants.assistants] == [other.assistant_id]
    assert [key.name for key in keys.api_keys] == ["first"]


async def test_an_assistant_key_comes_back_to_its_own_streams_only(core: CoreUnderTest) -> None:
    core.model.add(says("Mine"), says("Yours"))
    request = CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_ASSISTANT])
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    app = replace(core, quickstart={**core.quickstart, "NODEXA_API_KEY": made.secret})
    own, foreign = await create(app), await create(core)

    assert said((await watch(app, own.id))[-1].completed.response) == "Mine"
    await expect_unknown(app, *by(RESPONSES + "WatchResponse"), foreign.id)


@pytest.mark.parametrize(
    "request_",
    [GetResponseRequest(), CancelResponseRequest(), DeleteResponseRequest(), ListInputItemsRequest()],
    ids=lambda request: type(request).__name__,
)
async def test_no_id_at_all_is_unknown_too(core: CoreUnderTest, request_: Message) -> None:
    method = RESPONSES + type(request_).__name__.removesuffix("Request")

    assert (await refusal(rpc(core.channel, method, request_, core.metadata()))).reason == "response_not_found"


async def test_watching_nothing_is_unknown_too(core: CoreUnderTest) -> None:
    answer = await refusal(core.responses.WatchResponse(WatchResponseRequest(), metadata=core.metadata()))

    assert answer.reason == "response_not_found"


@pytest.mark.parametrize("method", METHODS, ids=name_of)
async def test_a_revoked_key_is_told_what_any_wrong_key_is(core: CoreUnderTest, method: str) -> None:
    theirs, key_id = await with_another_key(core)
    await revoke(core, key_id)

    async def told(key: str) -> Refusal:
        metadata = [("x-api-key", key), ("x-request-id", "same")]
        return await refusal(rpc(core.channel, method, request_of(method), metadata))

    answer = await told(theirs.key)

    assert answer == await told("nxk_never_aaaaaa")
    assert answer.reason == "invalid_api_key"
