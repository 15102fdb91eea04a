"""How a WebSocket ends: by its client, by its age, by a stop; and what becomes of it when the core is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from rest_bridge.settings import Settings
from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.fake_core import Story, events, refuses, serving_fake, tells, waits
from tests.rest_bridge.ladder import check_ladder
from tests.rest_bridge.raw import connected, head
from tests.rest_bridge.socket_client import ask, opened, told

LOST = grpc.StatusCode.UNAVAILABLE
KNOWN_KEY = tells(then=refuses(grpc.StatusCode.NOT_FOUND, "response_not_found"))


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/core.sock"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def hears(socket: ClientConnection, text: str) -> None:
    """Reads until a message has this text in it."""
    async with asyncio.timeout(10):
        while text not in str(await socket.recv()):
            pass


async def ends(socket: ClientConnection) -> int | None:
    """The code that the server closes with, having said nothing more."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(10):
            await socket.recv()
    return socket.close_code


def create(bridge: BridgeUnderTest, **more: object) -> str:
    return json.dumps({"type": "response.create", **bridge.body(**more)})


async def test_a_departure_ends_the_call_to_the_core(address: str, bridge_settings: Settings) -> None:
    async with (
        serving_fake(address, KNOWN_KEY, tells(events(0, 3), then=waits)) as core,
        running_bridge(address, bridge_settings, key="nxk_1", assistant_id="asst_1") as bridge,
    ):
        async with opened(bridge) as socket:
            core.over.clear()
            await socket.send(create(bridge))
            await hears(socket, '"sequence_number":3')
        async with asyncio.timeout(10):
            await core.over.wait()
        await until(lambda: not bridge.bridge.sockets and not bridge.bridge.streams)


async def test_connections_leave_nothing_behind(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(*[[[TextDelta("Once")], asyncio.Event()] for _ in range(10)])
    before = len(asyncio.all_tasks())
    for number in range(20):
        async with opened(bridge) as socket:
            if number % 2:
                await socket.send(create(bridge))
                await hears(socket, '"delta":"Once"')
            if number % 4 > 1:
                socket.transport.abort()
    await until(lambda: len(asyncio.all_tasks()) <= before and not bridge.bridge.sockets)


async def test_a_stop_lets_a_response_come_to_its_end(core: CoreUnderTest, bridge_settings: Settings) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    settings = replace(bridge_settings, drain_seconds=10)
    async with (
        running_bridge(core.address, settings, key=core.key, assistant_id=core.assistant_id) as bridge,
        opened(bridge) as socket,
        opened(bridge) as idle,
    ):
        await socket.send(create(bridge))
        await hears(socket, "Once")
        await socket.send(create(bridge))
        await (await socket.ping())
        bridge.server.stop()
        assert await ends(idle) == 1012
        gate.set()
        assert (await told(socket))[-1]["response"]["output_text"] == "Once more"
        (refused,) = await told(socket)
        assert (refused["status"], refused["error"]["code"]) == (503, "server_draining")
        assert await ends(socket) == 1012


async def test_a_response_that_outlasts_a_stop_is_cut_in_words(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with opened(bridge) as socket:
        await socket.send(create(bridge, background=True))
        await hears(socket, "Once")
        bridge.server.stop()
        (error,) = await told(socket)
        assert error["error"]["code"] == "server_draining"
        assert f"starting_after={error['sequence_number']}" in error["message"]
        assert await ends(socket) == 1012


async def test_an_old_connection_ends_behind_what_runs(core: CoreUnderTest, bridge_settings: Settings) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    settings = replace(bridge_settings, socket_seconds=0.3)
    async with (
        running_bridge(core.address, settings, key=core.key, assistant_id=core.assistant_id) as bridge,
        opened(bridge) as socket,
        opened(bridge) as idle,
    ):
        await socket.send(create(bridge))
        await hears(socket, "Once")
        (old,) = await told(idle)
        assert (old["status"], old["error"]["code"]) == (400, "websocket_connection_limit_reached")
        assert await ends(idle) == 1000
        gate.set()
        assert [event["type"] for event in await told(socket)][-1] == "response.completed"
        (old,) = await told(socket)
        assert old["error"]["code"] == "websocket_connection_limit_reached"


async def test_a_client_that_answers_no_ping_is_let_go(core: CoreUnderTest, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, heartbeat_seconds=0.1)
    async with (
        running_bridge(core.address, settings, key=core.key) as bridge,
        connected(bridge.port) as (reader, writer),
    ):
        writer.write(
            head(
                "GET",
                "/v1/responses",
                x_api_key=core.key,
                connection="Upgrade",
                upgrade="websocket",
                sec_websocket_key="AAAAAAAAAAAAAAAAAAAAAA==",
                sec_websocket_version="13",
            )
        )
        assert b" 101 " in await reader.readline()
        async with asyncio.timeout(10):
            await reader.read()
        await until(lambda: not bridge.bridge.sockets)


@pytest.mark.parametrize(
    "cut",
    [tells(events(0, 4), then=refuses(LOST)), tells(events(0, 4), then=refuses(LOST, "server_draining"))],
    ids=["a broken connection", "a drain"],
)
async def test_a_response_goes_on_without_a_gap_when_the_core_is_lost(
    address: str, bridge_settings: Settings, cut: Story
) -> None:
    async with (
        serving_fake(address, KNOWN_KEY, cut, tells(events(5, 9))) as core,
        running_bridge(address, bridge_settings, key="nxk_1", assistant_id="asst_1") as bridge,
        opened(bridge) as socket,
    ):
        told = await ask(socket, bridge)
        assert core.calls[2].starting_after == 4
    assert [event["sequence_number"] for event in told] == list(range(10))


async def test_a_core_that_stays_away_ends_the_response_as_failed(address: str, bridge_settings: Settings) -> None:
    stories = [KNOWN_KEY, tells(events(0, 4), then=refuses(LOST)), *[tells(then=refuses(LOST))] * 9]
    settings = replace(bridge_settings, patience_seconds=0.5)
    async with (
        serving_fake(address, *stories),
        running_bridge(address, settings, key="nxk_1", assistant_id="asst_1") as bridge,
        opened(bridge) as socket,
    ):
        *_, error = await ask(socket, bridge)
        (failed,) = await told(socket)
    assert (error["error"]["code"], error["sequence_number"]) == ("server_error", 4)
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")


async def test_a_failed_response_leaves_the_connection_usable(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], OSError("canary")], says("Again"))
    async with opened(bridge) as socket:
        *_, error = await ask(socket, bridge)
        (failed,) = await told(socket)
        assert (error["type"], failed["type"]) == ("error", "response.failed")
        assert "canary" not in json.dumps(failed)
        assert check_ladder(await ask(socket, bridge))["output_text"] == "Again"
