"""Over HTTP too, what is another's or was deleted is exactly as unknown as what never was; and a revoked key as any."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from nodexa.v1.admin_service_pb2 import DeleteAssistantRequest
from nodexa.v1.conversation_service_pb2 import DeleteConversationRequest
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.file_service_pb2 import DeleteFileRequest
from nodexa.v1.response_service_pb2 import DeleteResponseRequest
from nodexa.v1.user_pb2 import Claim
from nodexa.v1.user_service_pb2 import DeleteClaimRequest, DeleteMemoryRequest, SetClaimsRequest
from nodexa.v1.vector_store_service_pb2 import DeleteVectorStoreRequest

from rest_bridge.routes import ROUTES, SOCKETS
from rest_bridge.settings import Settings
from service.ids import new_id
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.socket_client import opened
from tests.service.conversations import converse
from tests.service.files import files, store, stores, upload
from tests.service.keys import as_another_organization, revoke, with_another_assistant, with_another_key
from tests.service.memories import remembered
from tests.service.requests import create, user

SOCKET = "WEBSOCKET"
RESPONSE, CONVERSATION, ASSISTANT = "resp", "conv", "asst"
CLAIM, MEMORY, CHAT = "claim", "mem", "chat"
FILE, STORE = "file", "vs"
"""What there is to hide: each word is the prefix of its ids."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request about a thing: where its id stands in the path or the body."""

    path: str
    method: str
    kind: str
    body: Mapping[str, Any] | None = None
    query: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}{self.query} {self.kind} {'' if self.body is None else sorted(self.body)}"


def posts(path: str, *kinds: str, method: str = "POST", **more: Any) -> list[Ask]:
    """Requests for an answer, which may name a thing of each of these kinds."""
    names = {RESPONSE: "previous_response_id", CONVERSATION: "conversation", ASSISTANT: "model"}
    return [Ask(path, method, kind, {"input": "Hi", **more, names[kind]: "{id}"}) for kind in kinds]


ALL = (RESPONSE, CONVERSATION, ASSISTANT)
OF_USERS = (CLAIM, MEMORY, CHAT)
CLAIMS, CHATS = ("/v1/user-claims", "/user-claims"), "/v1/chat/history/conversations"
ITEM = {"type": "message", "role": "user", "content": "Hi"}
OF_A_RESPONSE, OF_A_CONVERSATION = "/v1/responses/{id}", "/v1/conversations/{id}"
OF_A_STORE = "/v1/vector_stores/{id}"
OF_A_BATCH = f"{OF_A_STORE}/file_batches/{{batch_id}}"
ASKS = [
    *posts("/v1/responses", *ALL),
    *posts("/v1/responses", *ALL, stream=True),
    *posts("/v1/responses", *ALL, method=SOCKET),
    *posts("/v1/responses/input_tokens", *ALL),
    *posts("/v1/responses/compact", RESPONSE, ASSISTANT),
    Ask(OF_A_RESPONSE, "GET", RESPONSE),
    Ask(OF_A_RESPONSE, "GET", RESPONSE, query="?stream=true"),
    Ask(OF_A_RESPONSE, "GET", RESPONSE, query="?stream=true&starting_after=1"),
    Ask(OF_A_RESPONSE, "DELETE", RESPONSE),
    Ask(f"{OF_A_RESPONSE}/cancel", "POST", RESPONSE),
    Ask(f"{OF_A_RESPONSE}/input_items", "GET", RESPONSE),
    Ask(OF_A_CONVERSATION, "GET", CONVERSATION),
    Ask(OF_A_CONVERSATION, "POST", CONVERSATION, {"metadata": {"mine": "now"}}),
    Ask(OF_A_CONVERSATION, "DELETE", CONVERSATION),
    Ask(f"{OF_A_CONVERSATION}/items", "POST", CONVERSATION, {"items": [ITEM]}),
    Ask(f"{OF_A_CONVERSATION}/items", "GET", CONVERSATION),
    Ask(f"{OF_A_CONVERSATION}/items/{{item_id}}", "GET", CONVERSATION),
    Ask(f"{OF_A_CONVERSATION}/items/{{item_id}}", "DELETE", CONVERSATION),
    Ask("/v1/models/{id}", "GET", ASSISTANT),
    *(Ask(f"{path}/{{claim_key}}", "DELETE", CLAIM) for path in CLAIMS),
    Ask("/v1/memory/{id}", "DELETE", MEMORY),
    Ask(f"{CHATS}/{{id}}/messages", "GET", CHAT),
    Ask("/v1/files/{id}", "GET", FILE),
    Ask("/v1/files/{id}", "DELETE", FILE),
    Ask("/v1/files/{id}/content", "GET", FILE),
    Ask("/v1/vector_stores", "POST", FILE, {"file_ids": ["{id}"]}),
    Ask(OF_A_STORE, "GET", STORE),
    Ask(OF_A_STORE, "POST", STORE, {"name": "Mine now"}),
    Ask(OF_A_STORE, "DELETE", STORE),
    Ask(f"{OF_A_STORE}/search", "POST", STORE, {"query": "mine"}),
    Ask(f"{OF_A_STORE}/files", "POST", STORE, {"file_id": "file_x"}),
    Ask(f"{OF_A_STORE}/files", "GET", STORE),
    Ask(f"{OF_A_STORE}/files/{{file_id}}", "GET", STORE),
    Ask(f"{OF_A_STORE}/files/{{file_id}}", "POST", STORE, {"attributes": {}}),
    Ask(f"{OF_A_STORE}/files/{{file_id}}", "DELETE", STORE),
    Ask(f"{OF_A_STORE}/files/{{file_id}}/content", "GET", STORE),
    Ask(f"{OF_A_STORE}/file_batches", "POST", STORE, {"file_ids": ["file_x"]}),
    Ask(OF_A_BATCH, "GET", STORE),
    Ask(f"{OF_A_BATCH}/cancel", "POST", STORE),
    Ask(f"{OF_A_BATCH}/files", "GET", STORE),
]
# They name nothing that could be another's. The lists have a test of their own.
LISTS = {(path, "GET") for path in ("/v1/responses", "/v1/models", "/v1/files", "/v1/vector_stores")}
LISTS_OF_USERS = {(path, "GET") for path in (*CLAIMS, "/v1/memory", CHATS)}
WITHOUT = {
    ("/v1/conversations", "POST"),
    ("/v1/files", "POST"),
    *((f"{path}/bulk", method) for path in CLAIMS for method in ("POST", "DELETE")),
    *((path, "DELETE") for path in (*CLAIMS, "/v1/memory")),
}
NEED_NO_KEY = {(path, "GET") for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/")}

ADDRESSES = {(path, method) for path, methods in ROUTES.items() for method in methods} | {
    (path, SOCKET) for path in SOCKETS
}

Told = tuple[str, int, list[tuple[str, str]], str]


def test_every_route_is_in_a_table() -> None:
    assert {(ask.path, ask.method) for ask in ASKS} | LISTS | LISTS_OF_USERS | WITHOUT | NEED_NO_KEY == ADDRESSES


@dataclass(frozen=True, slots=True)
class Things:
    """The ids of one thing of each kind."""

    ids: Mapping[str, str]

    async def told(self, asks: list[Ask], bridge: BridgeUnderTest, **headers: str) -> list[Told]:
        """What each request is told about them, the ids themselves and the request id aside."""
        return [await answer(ask, self.ids[ask.kind], bridge, headers) for ask in asks]


NEVER = Things({kind: new_id(kind) for kind in (*ALL, *OF_USERS, FILE, STORE)} | {CHAT: str(uuid4())})
INSIDE = ("item_id", "file_id", "batch_id")


async def things(core: CoreUnderTest, *, user_id: str = "") -> Things:
    """A new response, conversation and assistant."""
    core.model.add(says("Mine"))
    response = await create(core, user_id=user_id)
    first = user("Mine")
    first.id = "msg_first"
    return Things(
        {
            RESPONSE: response.id,
            CONVERSATION: await converse(core, first, user_id=user_id),
            ASSISTANT: core.assistant_id,
            CLAIM: await claimed(core, user_id or "alice"),
            MEMORY: await remembered(core, user_id or "alice"),
            CHAT: await chatted(core, user_id or "alice"),
            **await knowledge(core),
        }
    )


async def claimed(core: CoreUnderTest, user_id: str) -> str:
    key = new_id(CLAIM)
    request = SetClaimsRequest(claims=[Claim(key=key, value_json='"Mine"')])
    await core.users.SetClaims(request, metadata=core.metadata(x_user_id=user_id))
    return key


async def chatted(core: CoreUnderTest, user_id: str) -> str:
    core.model.add(says("Mine"))
    return (await create(core, user_id=user_id)).id.removeprefix("resp_")


async def knowledge(core: CoreUnderTest) -> Mapping[str, str]:
    file = await upload(core, "Mine")
    return {FILE: file, STORE: await store(core, file)}


async def answer(ask: Ask, name: str, bridge: BridgeUnderTest, headers: Mapping[str, str]) -> Told:
    body: Any = None
    if ask.body is not None:
        own = {"model": bridge.assistant_id} if ask.path.startswith("/v1/responses") else {}
        body = json.loads(json.dumps({**own, **ask.body}).replace("{id}", name))
    if ask.method == SOCKET:
        return await over_socket(ask, name, bridge, {**body, "type": "response.create"}, headers)
    path = ask.path.replace("{id}", name).replace("{claim_key}", name) + ask.query
    for inside in INSIDE:
        path = path.replace(f"{{{inside}}}", "msg_first")
    sent = {"x-request-id": "same", **({"x-user-id": "alice"} if ask.kind in OF_USERS else {}), **headers}
    async with bridge.http() as http:
        got = await http.request(ask.method, path, json=body, headers=sent)
    text = got.text.replace(name, "ID")
    kept = [(key, value) for key, value in got.headers.items() if key != "date"]
    return str(ask), got.status_code, sorted(kept), text


async def over_socket(ask: Ask, name: str, bridge: BridgeUnderTest, body: Any, headers: Mapping[str, str]) -> Told:
    named = {key.replace("-", "_"): value for key, value in headers.items()}
    async with opened(bridge, **named) as socket, asyncio.timeout(10):
        await socket.send(json.dumps(body))
        text = str(await socket.recv()).replace(name, "ID")
    return str(ask), json.loads(text).get("status", 200), [], text


def expect_unknown(told: list[Told], never: list[Told]) -> None:
    """All of it is told to be unknown, in the very bytes that are told of what never was."""
    for got, wanted in zip(told, never, strict=True):
        assert got == wanted
        code = json.loads(got[3])["error"]["code"]
        assert (got[0], code.endswith("_not_found"), got[1]) == (got[0], True, 400 if "previous" in code else 404)


@asynccontextmanager
async def seen_by(core: CoreUnderTest, settings: Settings) -> AsyncIterator[BridgeUnderTest]:
    async with running_bridge(core.address, settings, key=core.key, assistant_id=core.assistant_id) as bridge:
        yield bridge


@pytest.fixture
def never_of_users() -> list[Ask]:
    return [ask for ask in ASKS if ask.kind not in (ASSISTANT, FILE, STORE)]


async def test_another_organization_s_things_are_unknown(core: CoreUnderTest, bridge_settings: Settings) -> None:
    mine = await things(core)
    other, _ = await as_another_organization(core)

    async with seen_by(other, bridge_settings) as bridge:
        expect_unknown(await mine.told(ASKS, bridge), await NEVER.told(ASKS, bridge))


async def test_another_user_s_things_are_unknown(
    core: CoreUnderTest, bridge: BridgeUnderTest, never_of_users: list[Ask]
) -> None:
    hers = await things(core, user_id="alice")
    bob = {"x-user-id": "bob"}

    expect_unknown(await hers.told(never_of_users, bridge, **bob), await NEVER.told(never_of_users, bridge, **bob))


async def test_deleted_things_are_unknown(core: CoreUnderTest, bridge_settings: Settings) -> None:
    gone = await things(core)
    own = await with_another_assistant(core)
    metadata = core.metadata()
    claim = DeleteClaimRequest(key=gone.ids[CLAIM])
    await core.users.DeleteClaim(claim, metadata=core.metadata(x_user_id="alice"))
    memory = DeleteMemoryRequest(id=gone.ids[MEMORY])
    await core.users.DeleteMemory(memory, metadata=core.metadata(x_user_id="alice"))
    await core.responses.DeleteResponse(DeleteResponseRequest(id=f"resp_{gone.ids[CHAT]}"), metadata=metadata)
    await core.responses.DeleteResponse(DeleteResponseRequest(id=gone.ids[RESPONSE]), metadata=metadata)
    stub: Any = ConversationServiceStub(core.channel)
    await stub.DeleteConversation(DeleteConversationRequest(id=gone.ids[CONVERSATION]), metadata=metadata)
    await files(core).DeleteFile(DeleteFileRequest(id=gone.ids[FILE]), metadata=metadata)
    await stores(core).DeleteVectorStore(DeleteVectorStoreRequest(id=gone.ids[STORE]), metadata=metadata)
    await core.admin.DeleteAssistant(DeleteAssistantRequest(id=gone.ids[ASSISTANT]), metadata=metadata)

    async with seen_by(own, bridge_settings) as bridge:
        expect_unknown(await gone.told(ASKS, bridge), await NEVER.told(ASKS, bridge))


async def test_a_user_s_lists_hold_nothing_of_others(core: CoreUnderTest, bridge: BridgeUnderTest) -> None:
    mine = await things(core)
    async with bridge.http() as http:
        for path, _ in LISTS_OF_USERS:
            told = {name: (await http.get(path, headers={"x-user-id": name})).text for name in ("alice", "bob")}
            assert any(name in told["alice"] for name in mine.ids.values())
            assert not any(name in told["bob"] for name in mine.ids.values())


async def test_one_s_own_things_are_known(core: CoreUnderTest, bridge: BridgeUnderTest) -> None:
    mine = await things(core)
    reading = [ask for ask in ASKS if ask.method == "GET" and not {"{file_id}", "{batch_id}"} & {*ask.path.split("/")}]
    assert {told[1] for told in await mine.told(reading, bridge)} == {200}


async def test_a_revoked_key_is_told_what_any_wrong_key_is(core: CoreUnderTest, bridge_settings: Settings) -> None:
    mine = await things(core)
    theirs, key_id = await with_another_key(core)
    nobody = replace(core, quickstart={**core.quickstart, "NODEXA_API_KEY": "nxk_never_aaaaaa"})
    await revoke(core, key_id)

    async with seen_by(theirs, bridge_settings) as revoked, seen_by(nobody, bridge_settings) as wrong:
        for path, method in ADDRESSES - NEED_NO_KEY:
            told = [await turned_away(path, method, mine, bridge) for bridge in (revoked, wrong)]
            assert told[0] == told[1]
            assert (path, told[0][0], json.loads(told[0][1])["error"]["code"]) == (path, 401, "invalid_api_key")


async def turned_away(path: str, method: str, mine: Things, bridge: BridgeUnderTest) -> tuple[int, str]:
    kind = CONVERSATION if "conversations" in path else ASSISTANT if "models" in path else RESPONSE
    where = path.replace("{claim_key}", mine.ids[CLAIM])
    where = re.sub(r"{\w+}", "msg_first", where.replace("{id}", mine.ids[kind]))
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    headers = {**upgrade, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="} if method == SOCKET else {}
    asked = next((ask.body for ask in ASKS if (ask.path, ask.method) == (path, method)), None)
    body = bridge.body() if "responses" in path else asked or {"items": [ITEM], "metadata": {}, "claims": []}
    form: dict[str, Any] = (
        {"data": {"purpose": "assistants"}, "files": {"file": b"Mine"}} if path == "/v1/files" else {"json": body}
    )
    async with httpx.AsyncClient(base_url=bridge.url, trust_env=False, timeout=30) as http:
        got = await http.request(
            "GET" if method == SOCKET else method,
            where,
            **(form if method == "POST" else {}),
            headers={"x-request-id": "same", "authorization": f"Bearer {bridge.key}", **headers},
        )
    return got.status_code, got.text


async def test_lists_hold_nothing_of_others(core: CoreUnderTest, bridge_settings: Settings) -> None:
    mine = await things(core)
    other, _ = await as_another_organization(core)
    async with seen_by(other, bridge_settings) as bridge, bridge.http() as http:
        for path, _ in LISTS:
            text = (await http.get(path)).text
            assert not [name for name in mine.ids.values() if name in text]
