"""What is kept of a user is unknown to all others, and in none of their lists."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

import pytest
from google.protobuf.message import Message
from nodexa.v1.response_service_pb2 import ListResponsesRequest
from nodexa.v1.user_pb2 import Claim
from nodexa.v1.user_service_pb2 import (
    DeleteClaimsRequest,
    DeleteMemoriesRequest,
    ListChatConversationsRequest,
    ListClaimsRequest,
    ListMemoriesRequest,
    SetClaimsRequest,
)

from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.service.memories import remembered
from tests.service.refusals import refusal
from tests.service.requests import create, get
from tests.service.rpc.naming import OF_A_USER, USERS, Request, expect_unknown, name_of
from tests.service.rpc.rpcs import METHODS, request_of, rpc


async def kept_of(core: CoreUnderTest, user_id: str) -> dict[str, str]:
    """Something of each kind that is kept of a user: its id, by the RPC that takes one."""
    metadata = core.metadata(x_user_id=user_id)
    await core.users.SetClaims(SetClaimsRequest(claims=[Claim(key="claim_1", value_json="1")]), metadata=metadata)
    memory_id = await remembered(core, user_id)
    core.model.add(says("Hi"))
    chat = await create(core, user_id=user_id)
    return {
        USERS + "DeleteClaim": "claim_1",
        USERS + "DeleteMemory": memory_id,
        USERS + "ListChatMessages": chat.id.removeprefix("resp_"),
    }


@pytest.mark.parametrize(("method", "request_"), OF_A_USER, ids=name_of)
async def test_what_is_kept_of_a_user_is_unknown_to_all_others(
    core: CoreUnderTest, other: CoreUnderTest, method: str, request_: Request
) -> None:
    kept = (await kept_of(core, "alice"))[method]

    await expect_unknown(core, method, request_, kept, user_id="bob")
    await expect_unknown(other, method, request_, kept, user_id="alice")

    known = rpc(core.channel, method, request_(kept, ""), core.metadata(x_user_id="alice"))
    await cast(Awaitable[Message], known)
    if "Delete" in method:
        await expect_unknown(core, method, request_, kept, user_id="alice")


async def test_lists_of_a_user_hold_nothing_of_others(core: CoreUnderTest, other: CoreUnderTest) -> None:
    await kept_of(core, "alice")

    for seen, user_id in ((core, "bob"), (other, "alice")):
        metadata = seen.metadata(x_user_id=user_id)
        assert not (await seen.users.ListClaims(ListClaimsRequest(), metadata=metadata)).claims
        assert not (await seen.users.DeleteClaims(DeleteClaimsRequest(), metadata=metadata)).count
        assert not (await seen.users.ListMemories(ListMemoriesRequest(), metadata=metadata)).memories
        assert not (await seen.users.DeleteMemories(DeleteMemoriesRequest(), metadata=metadata)).count
        chats = await seen.users.ListChatConversations(ListChatConversationsRequest(), metadata=metadata)
        assert not chats.conversations

    own = await core.users.ListClaims(ListClaimsRequest(), metadata=core.metadata(x_user_id="alice"))
    assert [claim.key for claim in own.claims] == ["claim_1"]


@pytest.mark.parametrize("method", [method for method in METHODS if method.startswith(USERS)], ids=name_of)
async def test_what_is_kept_of_a_user_needs_a_user(core: CoreUnderTest, method: str) -> None:
    answer = await refusal(rpc(core.channel, method, request_of(method), core.metadata()))

    assert (answer.reason, answer.param) == ("invalid_user_id", "x-user-id")
    assert "x-user-id" in answer.message


async def test_a_user_s_list_holds_her_own_and_nobody_s(core: CoreUnderTest) -> None:
    core.model.add(*[says("Hi")] * 3)
    hers, nobodys = await create(core, user_id="alice"), await create(core)
    his = await create(core, user_id="bob")

    async def listed(**metadata: str) -> set[str]:
        answer = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata(**metadata))
        return {response.id for response in answer.responses}

    assert await listed(x_user_id="alice") == {hers.id, nobodys.id}
    assert await listed() == {hers.id, nobodys.id, his.id}


async def test_whoever_speaks_for_nobody_sees_every_user_s_response(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    hers = await create(core, user_id="alice")

    assert await get(core, hers.id) == hers
