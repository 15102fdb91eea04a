"""Calls that share one connection to the core: none waits for another, and each has its own end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.event_pb2 import EventBatch

from bridge_link.link import LONGEST_PATH, socket_beside
from bridge_link.parts import FORM, FRAME, HELLO
from rest_bridge.settings import Settings
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.fake_core import Context, event, events, serving_fake, tells, waits
from tests.rest_bridge.raw import connected, head

WATCHED = "/v1/responses/resp_1?stream=true"


@pytest.fixture(params=["socket", "gRPC"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a core that has a socket for its bridges, or, where the path of that would be too long, a stream of gRPC's."""
    name = "core.sock" if request.param == "socket" else "c" * (LONGEST_PATH - len(str(tmp_path)) - 1)
    found = f"unix:{tmp_path}/{name}"
    assert bool(socket_beside(found)) == (request.param == "socket")
    return found


async def flood(context: Context) -> AsyncIterator[EventBatch]:
    """More than anyone reads."""
    for number in range(100_000):
        yield EventBatch(events=[event(number, output_text_delta={"item_id": "msg_1", "delta": "x" * 10_000})])


async def test_a_client_that_does_not_read_holds_back_nobody(address: str, bridge_settings: Settings) -> None:
    async with (
        serving_fake(address, flood, *[tells(events(0, 9))] * 20),
        running_bridge(address, bridge_settings, key="nxk_1") as bridge,
        connected(bridge.port) as (reader, writer),
        bridge.http() as http,
        asyncio.timeout(30),
    ):
        await bridge.reach()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head("GET", WATCHED, x_api_key="nxk_1"))
        for _ in range(20):
            answer = await http.get(WATCHED)
            assert b"response.completed" in answer.content


async def test_an_answer_that_takes_too_long_is_given_up_on_both_sides(address: str, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, create_seconds=0.2)
    async with serving_fake(address, tells(then=waits)) as core, running_bridge(address, settings, key="k") as bridge:
        await bridge.reach()
        async with bridge.http() as http, asyncio.timeout(10):
            answer = await http.post("/v1/responses", json=bridge.body(model="asst_1"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
            await core.over.wait()


@pytest.mark.parametrize("size", [1, 1_000_000, 7_000_000])
async def test_a_request_gets_there_whatever_its_size(address: str, bridge_settings: Settings, size: int) -> None:
    async with serving_fake(address, tells()) as core, running_bridge(address, bridge_settings, key="k") as bridge:
        await bridge.reach()
        async with bridge.http() as http:
            await http.post("/v1/responses", json=bridge.body(model="asst_1", input="x" * size))
        assert bridge.hop.carried == 1
    (request,) = core.calls
    assert len(request.input[0].message.content[0].input_text.text) == size


async def test_the_connection_comes_back_with_the_core(address: str, bridge_settings: Settings) -> None:
    async with running_bridge(address, bridge_settings, key="nxk_1") as bridge:
        for _ in range(2):
            async with serving_fake(address, tells(events(0, 9))):
                await bridge.reach()
                async with bridge.http() as http:
                    assert (await http.get(WATCHED)).status_code == 200
            async with asyncio.timeout(10):
                while bridge.hop.open.is_set():  # noqa: ASYNC110 - there is no event to wait for
                    await asyncio.sleep(0.01)


async def test_calls_go_over_the_connection(bridge: BridgeUnderTest) -> None:
    before = bridge.hop.carried
    async with bridge.http() as http:
        assert (await http.get("/v1/models")).status_code == 200
    assert bridge.hop.carried == before + 1


async def test_a_core_of_another_version_gets_plain_calls(tmp_path: Path, bridge_settings: Settings) -> None:
    met, address = asyncio.Event(), f"unix:{tmp_path}/core.sock"

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FRAME.pack(0, FORM + 1, HELLO))
        await reader.read()
        writer.close()
        met.set()

    async with (
        await asyncio.start_unix_server(greet, socket_beside(address)),
        serving_fake(address, tells(events(0, 9)), listens=False),
        running_bridge(address, bridge_settings, key="nxk_1") as bridge,
        bridge.http() as http,
        asyncio.timeout(10),
    ):
        await met.wait()
        await bridge.way.ready()
        assert b"response.completed" in (await http.get(WATCHED)).content
        assert bridge.hop.carried == 0
