"""Chat history: a user's conversations, and what was said on the way to the newest response of one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from nodexa.v1.admin_service_pb2 import DeleteAssistantRequest
from openai import AsyncOpenAI

from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

ALICE, BOB = {"x-user-id": "alice"}, {"x-user-id": "bob"}
CHATS = "/v1/chat/history/conversations"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
Json = dict[str, Any]


@pytest.fixture
async def http(bridge: BridgeUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    async with bridge.http() as client:
        yield client


@pytest.fixture
async def alice(bridge: BridgeUnderTest) -> AsyncOpenAI:
    return bridge.sdk(**ALICE)


async def chats(http: httpx.AsyncClient, **headers: str) -> list[Json]:
    answer = await http.get(CHATS, headers=headers or ALICE)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


async def words(http: httpx.AsyncClient, chat: str) -> list[tuple[str, str]]:
    answer = await http.get(f"{CHATS}/{chat}/messages", headers=ALICE)
    assert answer.status_code == 200, answer.text
    return [(message["role"], message["content"]) for message in answer.json()]


def bare(name: str) -> str:
    return name.partition("_")[2]


async def test_a_conversation_is_the_tree_under_its_first_response(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(says("Hi"), says("One"), says("Two"), says("Three"), says("Other"))
    title = "Hello   there,\n" + "x" * 100
    first = await alice.responses.create(model=bridge.assistant_id, input=title, instructions="Be kind")
    one = await alice.responses.create(model=bridge.assistant_id, input="A", previous_response_id=first.id)
    await alice.responses.create(model=bridge.assistant_id, input="B", previous_response_id=one.id)
    newest = await alice.responses.create(model=bridge.assistant_id, input="C", previous_response_id=first.id)

    (chat,) = await chats(http)
    assert chat["id"] == bare(first.id)
    assert chat["title"] == "Hello there, " + "x" * 66 + "…"
    assert (chat["isActive"], chat["assistantId"]) == (True, bridge.assistant_id)
    assert MOMENT.fullmatch(chat["createdAt"])
    assert chat["createdAt"] < chat["updatedAt"]
    assert await words(http, chat["id"]) == [
        ("user", title),
        ("assistant", "Hi"),
        ("user", "C"),
        ("assistant", "Three"),
    ]

    messages = (await http.get(f"{CHATS}/{chat['id']}/messages", headers=ALICE)).json()
    assert all(re.fullmatch(r"msg_[0-9a-f-]{36}", message["id"]) for message in messages)
    assert [message["responseId"] for message in messages] == [first.id, first.id, newest.id, newest.id]
    assert messages[0]["createdAt"] == chat["createdAt"]

    other = await alice.responses.create(model=bridge.assistant_id, input="New")
    assert [each["id"] for each in await chats(http)] == [bare(other.id), bare(first.id)]
    core.model.add(says("Again"))
    await alice.responses.create(model=bridge.assistant_id, input="D", previous_response_id=newest.id)
    assert [each["id"] for each in await chats(http)] == [bare(first.id), bare(other.id)]


async def test_conversations_that_are_kept_as_such_are_among_them(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    kept = await alice.conversations.create(
        items=[
            {"type": "message", "role": "developer", "content": "Be kind"},
            {"type": "message", "role": "user", "content": "Before"},
        ]
    )
    (empty,) = await chats(http)
    assert (empty["id"], empty["title"], empty["assistantId"]) == (bare(kept.id), "Before", None)
    core.model.add(says("Hi"), says("Hi"))
    await alice.responses.create(model=bridge.assistant_id, input="Hello", conversation=kept.id)
    await alice.responses.create(model=bridge.assistant_id, input="Again", conversation=kept.id)

    (chat,) = await chats(http)
    assert (chat["id"], chat["title"], chat["assistantId"]) == (bare(kept.id), "Before", bridge.assistant_id)
    said = [("user", "Before"), ("user", "Hello"), ("assistant", "Hi"), ("user", "Again"), ("assistant", "Hi")]
    assert await words(http, chat["id"]) == said

    await alice.conversations.delete(kept.id)
    assert await chats(http) == []


async def test_calls_and_their_outputs_are_no_messages(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(calls(("look", "{}")), says("It rains."))
    look: Any = {"type": "function", "name": "look", "parameters": {}}
    first = await alice.responses.create(model=bridge.assistant_id, input="Weather?", tools=[look])
    call: Any = first.output[0]
    await alice.responses.create(
        model=bridge.assistant_id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "rain"}],
        previous_response_id=first.id,
        tools=[look],
    )
    assert await words(http, bare(first.id)) == [("user", "Weather?"), ("assistant", "It rains.")]


async def test_another_user_s_conversation_is_unknown(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(says("Hi"), says("Hi"))
    hers = await alice.responses.create(model=bridge.assistant_id, input="Hello")
    nobodys = await bridge.sdk().responses.create(model=bridge.assistant_id, input="Hello")

    assert await chats(http, **BOB) == []
    told = []
    for name in (bare(hers.id), str(uuid4()), bare(nobodys.id), "nonsense"):
        answer = await http.get(f"{CHATS}/{name}/messages", headers=BOB)
        told.append((answer.status_code, answer.json()["error"]["code"], answer.text.replace(name, "ID")))
    assert set(told) == {told[0]}
    assert told[0][:2] == (404, "conversation_not_found")
    for path in (CHATS, f"{CHATS}/{bare(hers.id)}/messages"):
        assert (await http.get(path)).json()["error"]["code"] == "invalid_user_id"


async def test_what_was_deleted_is_shown_no_more(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(says("Hi"), says("One"))
    first = await alice.responses.create(model=bridge.assistant_id, input="Hello")
    second = await alice.responses.create(model=bridge.assistant_id, input="A", previous_response_id=first.id)
    await alice.responses.delete(first.id)

    (chat,) = await chats(http)
    assert (chat["id"], chat["title"]) == (bare(first.id), "A")
    assert await words(http, chat["id"]) == [("user", "A"), ("assistant", "One")]
    await core.admin.DeleteAssistant(DeleteAssistantRequest(id=core.assistant_id), metadata=core.metadata())
    assert [each["isActive"] for each in await chats(http)] == [False]
    await alice.responses.delete(second.id)
    assert await chats(http) == []


async def test_lists_say_where_they_go_on(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(*[says("Hi")] * 3)
    made = [await alice.responses.create(model=bridge.assistant_id, input=text) for text in ("One", "Two", "Three")]
    last = made[-1]

    shown: list[str] = []
    link = f"{CHATS}?limit=2"
    while link:
        answer = await http.get(link, headers=ALICE)
        shown += [each["title"] for each in answer.json()]
        link = answer.links.get("next", {}).get("url", "")
    assert shown == ["Three", "Two", "One"]

    first = await http.get(f"{CHATS}/{bare(last.id)}/messages?limit=1", headers=ALICE)
    rest = await http.get(first.links["next"]["url"], headers=ALICE)
    assert [each["content"] for each in (*first.json(), *rest.json())] == ["Three", "Hi"]
    wrong = await http.get(f"{CHATS}/{bare(last.id)}/messages?after=x", headers=ALICE)
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "after")
