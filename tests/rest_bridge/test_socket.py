"""The WebSocket at /v1/responses: its handshake, its messages, what it remembers, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Final

import pytest
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from service.model.chunk import TextDelta
from service.model.model import Prompt
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import check_ladder
from tests.rest_bridge.socket_client import ask, opened, told

UNKNOWN: Final = "resp_00000000-0000-7000-8000-000000000000"


async def refusal(socket: ClientConnection, message: str | bytes) -> tuple[int, str, str | None]:
    """The status, code and field that a message is refused with."""
    await socket.send(message)
    (event,) = await told(socket)
    assert set(event) == {"type", "status", "error"}
    assert set(event["error"]) == {"message", "type", "param", "code"}
    return event["status"], event["error"]["code"], event["error"]["param"]


def texts(prompt: Prompt) -> list[str]:
    """What a model was given, without who said it."""
    return [part.input_text.text + part.output_text.text for item in prompt.items for part in item.message.content]


async def test_requests_are_answered_one_after_the_other_by_whole_ladders(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(says("One"), says("Two"))
    async with opened(bridge) as socket:
        for _ in range(2):
            await socket.send(json.dumps({"type": "response.create", "stream": True, **bridge.body()}))
        finals = [check_ladder(await told(socket)) for _ in range(2)]
    assert [final["output_text"] for final in finals] == ["One", "Two"]
    async with bridge.http() as http:
        for final in finals:
            assert (await http.get(f"/v1/responses/{final['id']}")).json() == final


async def test_an_upgrade_has_a_request_id(bridge: BridgeUnderTest) -> None:
    async with opened(bridge, x_request_id="mine") as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("refused", "status", "code"),
    [
        (lambda bridge: opened(bridge, key=""), 401, "missing_api_key"),
        (lambda bridge: opened(bridge, key="nxk_wrong"), 401, "invalid_api_key"),
        (lambda bridge: opened(bridge, x_user_tokens="["), 400, "invalid_user_tokens"),
        (lambda bridge: opened(bridge, path="/v1/models"), 404, "not_found"),
        (lambda bridge: opened(bridge, x_long="x" * 9000), 431, "request_head_too_large"),
    ],
    ids=["no key", "a wrong key", "tokens that are no JSON", "another address", "a header beyond the library's limit"],
)
async def test_an_upgrade_that_cannot_be_is_refused_as_over_http(
    bridge: BridgeUnderTest,
    caplog: pytest.LogCaptureFixture,
    refused: Callable[[BridgeUnderTest], connect],
    status: int,
    code: str,
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await refused(bridge)
    answer = caught.value.response
    assert (answer.status_code, json.loads(answer.body or b"")["error"]["code"]) == (status, code)
    assert answer.headers["x-request-id"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_bad_message_is_refused_and_the_connection_stays(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    create = {"type": "response.create", **bridge.body()}
    async with opened(bridge) as socket:
        assert await refusal(socket, b"\xff") == (400, "invalid_request", None)
        assert await refusal(socket, "{") == (400, "invalid_request", None)
        assert await refusal(socket, "[]") == (400, "invalid_request", None)
        assert await refusal(socket, '{"type": "response.steer"}') == (400, "invalid_request", "type")
        assert await refusal(socket, json.dumps({**create, "stream": False})) == (
            400,
            "unsupported_parameter",
            "stream",
        )
        assert await refusal(socket, json.dumps({**create, "generate": 0})) == (400, "invalid_request", "generate")
        assert await refusal(socket, json.dumps({**create, "model": "gpt"})) == (400, "invalid_model", "model")
        unknown = (400, "previous_response_not_found", "previous_response_id")
        assert await refusal(socket, json.dumps({**create, "previous_response_id": UNKNOWN})) == unknown
        core.model.add(says("Still here"))
        assert check_ladder(await ask(socket, bridge))["output_text"] == "Still here"


async def test_a_message_that_is_too_large_is_refused_and_one_twice_as_large_not_even_read(
    bridge: BridgeUnderTest,
) -> None:
    async with opened(bridge) as socket:
        assert await refusal(socket, "x" * (8 * 1024 * 1024 + 1)) == (413, "request_too_large", None)
        with contextlib.suppress(ConnectionClosed):
            await socket.send("x" * (16 * 1024 * 1024 + 1))
        async with asyncio.timeout(10):
            await socket.wait_closed()


async def test_no_more_than_a_few_requests_may_wait(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with opened(bridge) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(30):
                await socket.send(json.dumps({"type": "response.create", **bridge.body()}))
        async with asyncio.timeout(10):
            await socket.wait_closed()
        assert socket.close_code == 1008
    assert len(core.model.prompts) <= 1


async def test_a_warm_up_asks_no_model_and_can_be_continued(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hi"))
    async with opened(bridge) as socket:
        await socket.send(json.dumps({"type": "response.create", "generate": False, "model": bridge.assistant_id}))
        empty = check_ladder(await told(socket))
        warm = check_ladder(await ask(socket, bridge, generate=False, input="Remember me"))
        for final in (empty, warm):
            assert (final["status"], final["output"], final["store"]) == ("completed", [], False)
            assert final["usage"]["total_tokens"] == 0
        assert core.model.prompts == []
        check_ladder(await ask(socket, bridge, previous_response_id=warm["id"]))
    assert texts(core.model.prompts[0]) == ["Remember me", "Hello"]
    async with bridge.http() as http:
        assert (await http.get(f"/v1/responses/{warm['id']}")).status_code == 404


async def test_what_nothing_stored_can_be_continued_where_it_was_made(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(says("A"), says("B"), says("C"), says("D"))
    async with opened(bridge) as socket, opened(bridge) as other:
        stored = check_ladder(await ask(socket, bridge, input="a"))
        second = check_ladder(await ask(socket, bridge, input="b", store=False, previous_response_id=stored["id"]))
        (unknown,) = await ask(other, bridge, store=False, previous_response_id=second["id"])
        assert unknown["error"]["code"] == "previous_response_not_found"
        third = check_ladder(await ask(socket, bridge, input="c", store=False, previous_response_id=second["id"]))
        (old,) = await ask(socket, bridge, previous_response_id=second["id"])
        assert old["error"]["code"] == "previous_response_not_found"
        # A stored one that continues it says everything by itself.
        fourth = check_ladder(await ask(socket, bridge, input="d", previous_response_id=third["id"]))
    assert texts(core.model.prompts[3]) == ["a", "A", "b", "B", "c", "C", "d"]
    async with bridge.http() as http:
        listed = (await http.get(f"/v1/responses/{fourth['id']}/input_items?order=asc")).json()["data"]
    assert len(listed) == 5


async def test_a_failed_continuation_is_forgotten(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("A"))
    output = [{"type": "function_call_output", "call_id": "call_unknown", "output": "1"}]
    async with opened(bridge) as socket:
        first = check_ladder(await ask(socket, bridge, store=False))
        (refused,) = await ask(socket, bridge, store=False, previous_response_id=first["id"], input=output)
        assert (refused["error"]["code"], refused["error"]["param"]) == ("unknown_call_id", "input[0].call_id")
        (gone,) = await ask(socket, bridge, store=False, previous_response_id=first["id"])
    assert gone["error"]["code"] == "previous_response_not_found"


async def test_a_revoked_key_makes_no_more_responses(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    made = await core.admin.CreateApiKey(
        CreateApiKeyRequest(name="short", scopes=[ApiKey.SCOPE_ASSISTANT]), metadata=core.metadata()
    )
    core.model.add(says("A"))
    async with opened(bridge, key=made.secret) as socket:
        check_ladder(await ask(socket, bridge))
        await core.admin.RevokeApiKey(RevokeApiKeyRequest(id=made.api_key.id), metadata=core.metadata())
        (refused,) = await ask(socket, bridge)
    assert (refused["status"], refused["error"]["code"]) == (401, "invalid_api_key")
