"""Clients that leave, and clients that do not read."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nodexa.v1.event_pb2 import EventBatch

from rest_bridge.follow import Follower
from rest_bridge.hop_call import HopCall
from rest_bridge.settings import Settings
from service.model.chunk import TextDelta
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.fake_core import PLAIN, Context, event, events, serving_fake, tells, waits
from tests.rest_bridge.raw import connected, head


def post(bridge: BridgeUnderTest, **more: object) -> bytes:
    body = json.dumps(bridge.body(**more)).encode()
    top = head(
        "POST",
        "/v1/responses",
        x_api_key=bridge.key or "nxk_1",
        content_type="application/json",
        content_length=str(len(body)),
    )
    return top + body


async def until(true: Callable[[], object]) -> None:
    """Returns once `true` says so; fails after 10 seconds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("more", [{}, {"store": False}], ids=["stored", "not stored"])
async def test_a_client_that_leaves_its_stream_stops_the_model(
    bridge: BridgeUnderTest, core: CoreUnderTest, more: dict[str, object]
) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with connected(bridge.port) as (reader, writer):
        writer.write(post(bridge, stream=True, **more))
        await reader.readuntil(b'"delta":"Once"')
    await until(lambda: core.model.stopped == 1)


async def test_a_client_that_leaves_before_its_answer_stops_the_model(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with connected(bridge.port) as (_, writer):
        writer.write(post(bridge, store=False))
        await until(lambda: core.model.prompts)
    await until(lambda: core.model.stopped == 1)


async def test_a_background_response_never_notices(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more")]])
    async with connected(bridge.port) as (reader, writer):
        writer.write(post(bridge, background=True, stream=True))
        await reader.readuntil(b'"delta":"Once"')
    gate.set()
    async with bridge.http() as http:
        (found,) = (await http.get("/v1/responses")).json()["data"]
        answer = await http.get(f"/v1/responses/{found['id']}?stream=true")
    assert '" more"' in answer.text


async def test_departures_leave_nothing_behind(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(*[[[TextDelta("Once")], asyncio.Event()] for _ in range(40)])
    before = len(asyncio.all_tasks())
    for number in range(40):
        async with connected(bridge.port) as (reader, writer):
            writer.write(post(bridge, stream=number % 2 == 0))
            if number % 4 == 0:
                await reader.readuntil(b'"delta":"Once"')
    await until(lambda: len(asyncio.all_tasks()) <= before and not bridge.bridge.streams)


async def test_a_stream_that_has_ended_waits_for_no_garbage_collector(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(says("Once upon a time"))
    gc.collect()
    gc.disable()
    try:
        async with bridge.http() as http:
            answer = await http.post("/v1/responses", json=bridge.body(stream=True))
        assert answer.content.endswith(b"data: [DONE]\n\n")
        await until(lambda: not any(isinstance(each, (Follower, HopCall)) for each in gc.get_objects()))
    finally:
        gc.enable()


def endless(size: int, passed: asyncio.Event, enough: int) -> AsyncIterator[EventBatch]:
    """Batches of `size` bytes as fast as they are taken; `passed` is set when `enough` were."""

    async def story() -> AsyncIterator[EventBatch]:
        number = 0
        while True:
            number += 1
            if number == enough:
                passed.set()
            yield EventBatch(events=[event(number, output_text_delta={"item_id": "msg_1", "delta": "x" * size})])

    return story()


@pytest.fixture(params=["/core.sock", PLAIN], ids=["one connection", "plain calls"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}{request.param}"


async def test_a_replay_ends_when_its_client_has_gone(address: str, bridge_settings: Settings) -> None:
    def story(context: Context) -> AsyncIterator[EventBatch]:
        return endless(10, asyncio.Event(), -1)

    async with serving_fake(address, story) as core, running_bridge(address, bridge_settings) as bridge:
        await bridge.reach()
        async with connected(bridge.port) as (reader, writer):
            writer.write(head("GET", "/v1/responses/resp_1?stream=true", x_api_key="nxk_1"))
            await reader.readuntil(b'"sequence_number":20')
        async with asyncio.timeout(10):
            await core.over.wait()


async def test_a_client_that_sent_what_nobody_reads_is_seen_to_leave(address: str, bridge_settings: Settings) -> None:
    quiet = replace(bridge_settings, heartbeat_seconds=600)
    body = b"x" * 1_000_000
    async with (
        serving_fake(address, tells(events(0, 0), then=waits)) as core,
        running_bridge(address, quiet) as bridge,
    ):
        await bridge.reach()
        async with connected(bridge.port) as (reader, writer):
            path = "/v1/responses/resp_1?stream=true"
            writer.write(head("GET", path, x_api_key="nxk_1", content_length=str(len(body))) + body)
            await reader.readuntil(b'"sequence_number":0')
        async with asyncio.timeout(10):
            await core.over.wait()


async def test_a_client_that_does_not_read_holds_little(address: str, bridge_settings: Settings) -> None:
    passed = asyncio.Event()
    async with (
        serving_fake(address, lambda _: endless(10_000, passed, enough=3000)) as core,
        running_bridge(address, bridge_settings) as bridge,
    ):
        await bridge.reach()
        async with connected(bridge.port) as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(head("GET", "/v1/responses/resp_1?stream=true", x_api_key="nxk_1"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await passed.wait()
        async with asyncio.timeout(10):
            await core.over.wait()


async def test_silence_is_filled_with_heartbeats(address: str, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, heartbeat_seconds=0.1)
    async with (
        serving_fake(address, tells(EventBatch(events=[event(0)]), then=waits)),
        running_bridge(address, settings) as bridge,
        connected(bridge.port) as (reader, writer),
        asyncio.timeout(10),
    ):
        writer.write(head("GET", "/v1/responses/resp_1?stream=true", x_api_key="nxk_1"))
        for _ in range(3):
            await reader.readuntil(b": heartbeat\n\n")
