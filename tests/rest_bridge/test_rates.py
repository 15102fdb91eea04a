"""Limits over HTTP and WebSocket: what stands in the head of an answer, and what of a refusal."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import ApiKey, Limits
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest, UpdateApiKeyRequest

from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.socket_client import ask, opened

RATES = {f"x-ratelimit-{what}-{name}" for what in ("limit", "remaining", "reset") for name in ("requests", "tokens")}


@pytest.fixture
async def limited(core: CoreUnderTest, bridge: BridgeUnderTest) -> BridgeUnderTest:
    """The bridge for a key with 2 requests and 1000 tokens a minute."""
    request = CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_FULL_ACCESS])
    made = await core.admin.CreateApiKey(request, metadata=core.metadata())
    key = ApiKey(id=made.api_key.id, limits=Limits(requests_per_minute=2, tokens_per_minute=1000))
    change = UpdateApiKeyRequest(api_key=key, update_mask=FieldMask(paths=["limits"]))
    await core.admin.UpdateApiKey(change, metadata=core.metadata())
    return replace(bridge, key=made.secret)


def rates_in(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in RATES}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_to_a_limited_key_tells_how_its_limits_stand(
    core: CoreUnderTest, limited: BridgeUnderTest, *, stream: bool
) -> None:
    core.model.add(says("Hi"))
    async with limited.http() as http:
        answer = await http.post("/v1/responses", json=limited.body(stream=stream))
        read = await http.get("/v1/responses")

    assert answer.status_code == 200
    told = rates_in(answer.headers)
    assert set(told) == RATES
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert told["x-ratelimit-reset-requests"].startswith(("30s", "29."))
    assert (told["x-ratelimit-limit-tokens"], told["x-ratelimit-remaining-tokens"]) == ("1000", "1000")
    assert told["x-ratelimit-reset-tokens"] == "0s"
    assert rates_in(read.headers) == {}


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_is_told_to_who_has_no_limits(
    core: CoreUnderTest, bridge: BridgeUnderTest, *, stream: bool
) -> None:
    core.model.add(says("Hi"))
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=stream))

    assert rates_in(answer.headers) == {}


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/responses/compact"])
@pytest.mark.parametrize("stream", [{}, {"stream": True}], ids=["whole", "stream"])
async def test_beyond_the_limit_is_a_429_that_says_when_to_come_back(
    core: CoreUnderTest, limited: BridgeUnderTest, path: str, stream: dict[str, bool]
) -> None:
    core.model.add(says("One"), says("Two"))
    async with limited.http() as http:
        for _ in range(2):
            await http.post("/v1/responses", json=limited.body())
        body = limited.body(**({} if path.endswith("compact") else stream))
        answer = await http.post(path, json=body)

    assert answer.status_code == 429
    error = answer.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("rate_limit_error", "rate_limit_exceeded", None)
    assert "2 requests a minute" in error["message"]
    assert answer.headers["retry-after"] in ("29", "30")
    assert "x-should-retry" not in answer.headers
    told = rates_in(answer.headers)
    assert set(told) == RATES
    assert told["x-ratelimit-remaining-requests"] == "0"


async def test_each_request_on_a_websocket_counts_and_a_refusal_is_an_event(
    core: CoreUnderTest, limited: BridgeUnderTest
) -> None:
    core.model.add(says("One"), says("Two"))
    async with opened(limited) as socket:
        for _ in range(2):
            assert (await ask(socket, limited))[-1]["type"] == "response.completed"
        (event,) = await ask(socket, limited)

    assert (event["status"], event["error"]["code"]) == (429, "rate_limit_exceeded")
    assert event["headers"]["retry-after"] in ("29", "30")
    assert event["headers"].keys() >= RATES
