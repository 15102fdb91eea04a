"""A bridge in the process of its core: the same gate, limits, events and ends, with no connection between the two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from rest_bridge.local import Local
from rest_bridge.settings import Settings
from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.rest_bridge.raw import connected, head
from tests.rest_bridge.socket_client import ask, opened
from tests.rest_bridge.test_departure import post, until

SECONDS = 10
# 8 MB: no reader that stands still lets so much through.
FLOOD = [[TextDelta("word " * 1000)] for _ in range(1600)]


@pytest.fixture
async def single(core: CoreUnderTest, bridge_settings: Settings) -> AsyncIterator[BridgeUnderTest]:
    """A bridge joined to `core`."""
    way = Local(core.core.bridges.join)
    async with running_bridge(way, bridge_settings, key=core.key, assistant_id=core.assistant_id) as running:
        yield running


async def test_json_and_events_are_answered_over_http_and_by_the_sdk(
    single: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(says("Hello"), says("Hello again"), says("Hello to you"))
    async with single.http() as http:
        whole = await http.post("/v1/responses", json=single.body())
        stream = await http.post("/v1/responses", json=single.body(stream=True))
    answer = await single.sdk().responses.create(model=single.assistant_id, input="Hello")

    assert whole.json()["output_text"] == "Hello"
    assert check_ladder(events_of(stream.content))["output_text"] == "Hello again"
    assert answer.output_text == "Hello to you"


async def test_the_gate_stands_before_every_call(single: BridgeUnderTest) -> None:
    async with single.http(key="nxk_wrong") as http:
        refused = await http.post("/v1/responses", json=single.body(), headers={"x-request-id": "req_mine"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
    assert refused.headers["x-request-id"] == "req_mine"


async def test_a_stream_is_resumed_from_any_number(single: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("One two three"))
    async with single.http() as http:
        events = events_of((await http.post("/v1/responses", json=single.body(stream=True))).content)
        path = f"/v1/responses/{events[0]['response']['id']}"
        rest = await http.get(path, params={"stream": "true", "starting_after": 2})
    assert events_of(rest.content) == events[3:]


async def test_a_websocket_goes_through_the_same_core(single: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    async with opened(single) as socket:
        assert check_ladder(await ask(socket, single))["output_text"] == "Hello"


async def test_a_response_is_cancelled(single: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with single.http() as http:
        started = (await http.post("/v1/responses", json=single.body(background=True))).json()
        cancelled = await http.post(f"/v1/responses/{started['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    await until(lambda: core.model.stopped == 1)


async def test_a_client_that_leaves_stops_the_model(single: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with connected(single.port) as (reader, writer):
        writer.write(post(single, stream=True))
        await reader.readuntil(b'"delta":"Once"')
    await until(lambda: core.model.stopped == 1)


async def test_an_answer_that_takes_too_long_is_given_up(core: CoreUnderTest, bridge_settings: Settings) -> None:
    core.model.add([asyncio.Event()])
    way, hasty = Local(core.core.bridges.join), replace(bridge_settings, create_seconds=0.2)
    async with (
        running_bridge(way, hasty, key=core.key, assistant_id=core.assistant_id) as single,
        single.http() as http,
    ):
        answer = await http.post("/v1/responses", json=single.body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_a_client_that_does_not_read_holds_back_nobody_and_misses_nothing(
    single: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add([*FLOOD, [STOP]], says("Hello"))
    async with single.http() as http:
        flood = (await http.post("/v1/responses", json=single.body())).json()["id"]
        async with connected(single.port) as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(head("GET", f"/v1/responses/{flood}?stream=true", x_api_key=single.key))
            assert (await http.post("/v1/responses", json=single.body())).json()["output_text"] == "Hello"
            reader._transport.resume_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(SECONDS):
                end = b""
                while b"data: [DONE]" not in end:
                    end = end[-20:] + await reader.read(2**16)


async def test_a_request_gets_there_whatever_its_size(single: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Long"))
    async with single.http() as http:
        answer = await http.post("/v1/responses", json=single.body(input="x" * 1_000_000))
    assert answer.json()["output_text"] == "Long"


async def test_a_drain_tells_its_streams_and_the_core_ends_behind_it(
    single: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with single.http() as http, http.stream("POST", "/v1/responses", json=single.body(stream=True)) as answer:
        chunks = answer.aiter_bytes()
        told = await anext(chunks)
        single.server.stop()
        told += b"".join([chunk async for chunk in chunks])
    assert events_of(told)[-1]["error"]["code"] == "server_draining"
    with pytest.raises(httpx.ConnectError):
        await single.http().get("/readyz")


async def test_what_is_open_when_the_core_leaves_is_told(core: CoreUnderTest, bridge_settings: Settings) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    way, hasty = Local(core.core.bridges.join), replace(bridge_settings, patience_seconds=0.1)
    async with (
        running_bridge(way, hasty, key=core.key, assistant_id=core.assistant_id) as single,
        single.http() as http,
        http.stream("POST", "/v1/responses", json=single.body(stream=True)) as answer,
    ):
        chunks = answer.aiter_bytes()
        told = await anext(chunks)
        await way.close()
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/v1/models")).status_code == 503
        told += b"".join([chunk async for chunk in chunks])
    assert events_of(told)[-1]["type"] == "response.failed"
