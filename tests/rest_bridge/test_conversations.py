"""Conversations over HTTP, through the real core."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nodexa.v1.response_service_pb2 import CancelResponseRequest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.socket_client import ask, opened
from tests.service.requests import words_of

PATH = "/v1/conversations"
HI: dict[str, Any] = {"role": "user", "content": "Hi"}


async def made(bridge: BridgeUnderTest, *texts: str) -> str:
    """The id of a new conversation of these user's messages."""
    async with bridge.http() as http:
        items = [{"role": "user", "content": text} for text in texts]
        answer = await http.post(PATH, json={"items": items})
    assert answer.status_code == 200
    return str(answer.json()["id"])


async def texts(bridge: BridgeUnderTest, name: str) -> list[str]:
    """What each message in the conversation says, the oldest first."""
    async with bridge.http() as http:
        listed = (await http.get(f"{PATH}/{name}/items", params={"order": "asc"})).json()
    return [part["text"] for item in listed["data"] for part in item["content"]]


async def test_objects_have_the_members_that_the_sdks_read_and_no_others(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        conversation = (await http.post(PATH, json={"items": [], "metadata": {"a": "b"}})).json()
        name = conversation["id"]
        assert conversation == {
            "id": name,
            "object": "conversation",
            "created_at": conversation["created_at"],
            "metadata": {"a": "b"},
        }
        assert (await http.get(f"{PATH}/{name}")).json() == conversation
        updated = (await http.post(f"{PATH}/{name}", json={"metadata": {"c": "d"}})).json()
        assert updated == conversation | {"metadata": {"c": "d"}}
        cleared = (await http.post(f"{PATH}/{name}", json={"metadata": None})).json()
        assert cleared == conversation | {"metadata": {}}

        added = (await http.post(f"{PATH}/{name}/items", json={"items": [HI, HI]})).json()
        assert set(added) == {"object", "data", "first_id", "last_id", "has_more"}
        assert (added["first_id"], added["last_id"], added["has_more"]) == (
            *(each["id"] for each in added["data"]),
            False,
        )
        first = added["data"][0]
        assert first == {
            "id": first["id"],
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi"}],
        }
        assert (await http.get(f"{PATH}/{name}/items/{first['id']}")).json() == first
        assert (await http.delete(f"{PATH}/{name}/items/{first['id']}")).json() == cleared
        gone = (await http.delete(f"{PATH}/{name}")).json()
        assert gone == {"id": name, "object": "conversation.deleted", "deleted": True}
        assert (await http.get(f"{PATH}/{name}")).status_code == 404


async def test_what_has_no_effect_is_named(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        made = (await http.post(PATH, json={"items": [{**HI, "mood": "good"}], "title": "Mine"})).json()
        added = (await http.post(f"{PATH}/{made['id']}/items", json={"items": [HI], "index": 0})).json()
        updated = (await http.post(f"{PATH}/{made['id']}", json={"metadata": {}, "title": "Mine"})).json()
    assert [each["nodexa"]["ignored"] for each in (made, added, updated)] == [
        ["title", "items[0].mood"],
        ["index"],
        ["title"],
    ]


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("", {"items": "Hi"}, "invalid_input_type", "items"),
        ("", {"items": [{"role": "nobody", "content": "Hi"}]}, "invalid_input_type", "items[0].role"),
        ("", {"items": [HI] * 21}, "invalid_request", "items"),
        ("", {"metadata": {"a": 1}}, "invalid_request", "metadata.a"),
        ("", {"metadata": {"a": "x" * 513}}, "invalid_request", "metadata"),
        ("/{}", {}, "missing_required_field", "metadata"),
        ("/{}", {"metadata": []}, "invalid_request", "metadata"),
        ("/{}/items", {}, "missing_required_field", "items"),
        ("/{}/items", {"items": []}, "missing_required_field", "items"),
        ("/{}/items", {"items": [{"type": "item_reference", "id": "msg_none"}]}, "invalid_request", "items[0].id"),
    ],
)
async def test_a_body_that_can_not_be_is_refused_by_its_field(
    bridge: BridgeUnderTest, path: str, body: dict[str, Any], code: str, param: str
) -> None:
    name = await made(bridge)
    async with bridge.http() as http:
        answer = await http.post(PATH + path.format(name), json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    ("method", "path", "code", "param"),
    [
        ("GET", "/conv_none", "conversation_not_found", "id"),
        ("DELETE", "/conv_none", "conversation_not_found", "id"),
        ("GET", "/conv_none/items", "conversation_not_found", "id"),
        ("GET", "/conv_none/items/msg_none", "conversation_not_found", "id"),
        ("GET", "/{}/items/msg_none", "item_not_found", "item_id"),
        ("DELETE", "/{}/items/msg_none", "item_not_found", "item_id"),
    ],
)
async def test_what_is_not_there_is_not_found(
    bridge: BridgeUnderTest, method: str, path: str, code: str, param: str
) -> None:
    name = await made(bridge)
    async with bridge.http() as http:
        answer = await http.request(method, PATH + path.format(name))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, code, param)


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("order=up", "order"), ("after=msg_none", "after"), ("after=a&after=b", "after")],
)
async def test_a_list_is_asked_for_in_words_that_mean_something(
    bridge: BridgeUnderTest, query: str, param: str
) -> None:
    name = await made(bridge, "Hi")
    async with bridge.http() as http:
        answer = await http.get(f"{PATH}/{name}/items?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("form", ["text", "object"])
async def test_a_response_goes_on_with_its_conversation_and_says_so(
    bridge: BridgeUnderTest, core: CoreUnderTest, form: str
) -> None:
    core.model.add(says("Hello"), says("Again"))
    name = await made(bridge, "One")
    conversation = name if form == "text" else {"id": name}
    async with bridge.http() as http:
        first = (await http.post("/v1/responses", json=bridge.body(input="Two", conversation=conversation))).json()
        stored = (await http.get(f"/v1/responses/{first['id']}")).json()
        plain = (await http.post("/v1/responses", json=bridge.body())).json()
    assert first["conversation"] == stored["conversation"] == {"id": name}
    assert plain["conversation"] is None
    assert words_of(tuple(core.model.prompts[0].items)) == ["One", "Two"]
    assert await texts(bridge, name) == ["One", "Two", "Hello"]


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"conversation": 1}, (400, "invalid_request")),
        ({"conversation": ""}, (400, "invalid_request")),
        ({"conversation": {"name": "x"}}, (400, "invalid_request")),
        ({"conversation": "conv_none"}, (404, "conversation_not_found")),
        ({"conversation": "conv_none", "previous_response_id": "resp_1"}, (400, "invalid_request")),
    ],
)
@pytest.mark.parametrize("path", ["", "/input_tokens"])
async def test_a_conversation_that_can_not_be_gone_on_with_is_refused(
    bridge: BridgeUnderTest, path: str, more: dict[str, Any], refused: tuple[int, str]
) -> None:
    async with bridge.http() as http:
        answer = await http.post(f"/v1/responses{path}", json=bridge.body(**more))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == refused
    assert error["param"] == "conversation"


async def test_a_locked_conversation_is_no_reason_to_send_again_by_itself(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event(), [STOP]])
    name = await made(bridge)
    async with bridge.http() as http:
        body = bridge.body(conversation=name, background=True)
        running = (await http.post("/v1/responses", json=body)).json()
        answers = [
            await http.post("/v1/responses", json=bridge.body(conversation=name)),
            await http.post("/v1/responses", json=bridge.body(conversation=name, stream=True)),
            await http.post(f"{PATH}/{name}/items", json={"items": [HI]}),
        ]
    for answer in answers:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (409, "conversation_locked", "conversation")
        assert error["type"] == "invalid_request_error"
        assert running["id"] in error["message"]
        assert answer.headers["x-should-retry"] == "false"
    await core.responses.CancelResponse(CancelResponseRequest(id=running["id"]), metadata=core.metadata())


async def test_tokens_are_counted_with_the_conversation(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.tokens = 9
    name = await made(bridge, "One")
    async with bridge.sdk() as client:
        counted = await client.responses.input_tokens.count(model=bridge.assistant_id, input="Two", conversation=name)
    assert counted.input_tokens == 9
    assert words_of(tuple(core.model.counted[0].items)) == ["One", "Two"]


async def test_a_websocket_goes_on_with_a_conversation(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"), says("Again"))
    name = await made(bridge, "One")
    async with opened(bridge) as socket:
        warm = (await ask(socket, bridge, input=[], generate=False, conversation=name))[-1]["response"]
        first = (await ask(socket, bridge, input="Two", previous_response_id=warm["id"]))[-1]["response"]
        await ask(socket, bridge, input="Three", conversation={"id": name})
    assert warm["conversation"] == first["conversation"] == {"id": name}
    assert await texts(bridge, name) == ["One", "Two", "Hello", "Three", "Again"]
