"""The header Idempotency-Key: one key, one run, over HTTP as over gRPC."""

from __future__ import annotations

import asyncio

import pytest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

KEY = {"idempotency-key": "order-17"}


async def test_a_post_sent_again_gets_the_same_response(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    async with bridge.http() as http:
        first = await http.post("/v1/responses", json=bridge.body(), headers=KEY)
        again = await http.post("/v1/responses", json=bridge.body(), headers=KEY)
    assert first.json() == again.json()
    assert first.json()["nodexa"]["ignored"] == []
    assert len(core.model.prompts) == 1


async def test_a_stream_sent_again_has_the_same_bytes(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    body = bridge.body(stream=True)
    async with bridge.http() as http:
        first = await http.post("/v1/responses", json=body, headers=KEY)
        again = await http.post("/v1/responses", json=body, headers=KEY)
    assert first.content == again.content


async def test_a_client_that_lost_its_answer_gets_it_without_paying_twice(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), STOP]])
    async with bridge.http() as http:
        lost = asyncio.create_task(http.post("/v1/responses", json=bridge.body(), headers=KEY))
        while not core.model.prompts:
            await http.get("/v1/models")
        lost.cancel()
        await asyncio.wait([lost])
        again = asyncio.create_task(http.post("/v1/responses", json=bridge.body(), headers=KEY))
        gate.set()
        answer = await again
    assert answer.json()["output_text"] == "Hello"
    assert len(core.model.prompts) == 1


async def test_another_body_under_the_key_is_refused_for_good(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    async with bridge.http() as http:
        await http.post("/v1/responses", json=bridge.body(), headers=KEY)
        other = await http.post("/v1/responses", json=bridge.body(temperature=0.5), headers=KEY)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert other.json()["error"]["param"] == "Idempotency-Key"
    assert other.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("key", ["", "x" * 256, "ä".encode().decode("latin-1")], ids=["empty", "long", "not ASCII"])
async def test_a_key_that_can_not_be_is_refused(bridge: BridgeUnderTest, core: CoreUnderTest, key: str) -> None:
    async with bridge.http() as http:
        headers = [(b"idempotency-key", key.encode("latin-1"))]
        answer = await http.post("/v1/responses", json=bridge.body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert answer.json()["error"]["param"] == "Idempotency-Key"
    assert not core.model.prompts


async def test_a_key_with_nothing_stored_is_refused(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(store=False), headers=KEY)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")
