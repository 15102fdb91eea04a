"""A stream that a bridge asks for: no task stands behind it, and it is told all and ended as ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import Response

from bridge_link.parts import CANCEL, CREDIT, credit
from service.model.chunk import TextDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, says
from service.rpc.at_once import STREAM
from service.rpc.hop_call import WINDOW
from service.runner.fold import fold
from service.settings import Settings
from tests.conftest import CoreUnderTest, events_in, running_core
from tests.service.keys import revoke, with_another_key
from tests.service.requests import asking, get, said
from tests.service.rpc.bridge_end import SECONDS, Bridge, bridge_of, with_socket
from tests.service.runner.ladder import climb
from tests.service.store.test_outage import LARGE, fill


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Those of a core with a socket for its bridges."""
    return with_socket(settings, tmp_path)


@pytest.fixture
def model() -> ScriptedModel:
    """The model of `core`."""
    return ScriptedModel(abilities=Abilities(at_once=True))


@pytest.fixture
async def bridge(core: CoreUnderTest) -> AsyncIterator[Bridge]:
    async with bridge_of(core) as joined:
        await known(joined, core)
        yield joined


async def known(bridge: Bridge, core: CoreUnderTest) -> None:
    """Calls once, so that all that the next call takes is at hand."""
    core.model.add(says("Hello"))
    ask(bridge, core, 100)
    assert (await bridge.end_of(100)).status == 0


def ask(bridge: Bridge, core: CoreUnderTest, number: int, request: Message | None = None) -> None:
    bridge.open(core, number, "StreamResponse", request or asking(core))


def told(bridge: Bridge, number: int) -> list[ResponseEvent]:
    """The events of a call so far."""
    return events_in([EventBatch.FromString(message) for message in bridge.messages[number]])


def tasks() -> int:
    """How many calls have a task."""
    return sum(task.get_name() == STREAM for task in asyncio.all_tasks())


async def until_stopped(core: CoreUnderTest) -> None:
    async with asyncio.timeout(SECONDS):
        while core.model.stopped == 0:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_stream_is_told_whole_without_a_task(bridge: Bridge, core: CoreUnderTest) -> None:
    going_on = asyncio.Event()
    core.model.add([[TextDelta("One")], going_on, [TextDelta(" two")], [STOP]])
    ask(bridge, core, 1)
    await bridge.bytes_of(1, 1)
    assert tasks() == 0
    going_on.set()

    assert (await bridge.end_of(1)).status == 0
    events = told(bridge, 1)
    climb(events)
    response = fold(events)
    assert (said(response), response.status) == ("One two", Response.STATUS_COMPLETED)
    assert EventBatch.FromString(bridge.messages[1][0]).HasField("settings")
    assert said(await get(core, response.id)) == "One two"


async def test_one_who_hangs_up_leaves_the_run_which_is_stopped(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("One")], asyncio.Event()])
    ask(bridge, core, 1)
    await bridge.bytes_of(1, 1)
    bridge.say(1, CANCEL, b"")

    assert (await bridge.end_of(1)).status == grpc.StatusCode.CANCELLED.value[0]
    await until_stopped(core)


async def test_a_call_whose_key_stops_working_is_told_so(bridge: Bridge, core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    await known(bridge, theirs)
    core.model.add([[TextDelta("One")], asyncio.Event()])
    ask(bridge, theirs, 1)
    await bridge.bytes_of(1, 1)
    await revoke(core, key_id)

    end = await bridge.end_of(1)
    assert end.status == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert "invalid_api_key" in end.reason
    await until_stopped(core)


async def test_a_slow_reader_gets_the_rest_when_there_is_room(bridge: Bridge, core: CoreUnderTest) -> None:
    text = "word " * 40_000
    core.model.add([[TextDelta(text[start : start + 1000])] for start in range(0, len(text), 1000)] + [[STOP]])
    ask(bridge, core, 1)
    read = await bridge.bytes_of(1, WINDOW)
    assert 1 not in bridge.ends

    async with asyncio.timeout(SECONDS):
        while 1 not in bridge.ends:
            bridge.say(1, CREDIT, credit(read))
            read = await bridge.bytes_of(1, 0) - read or 1
            await asyncio.sleep(0)

    assert said(fold(told(bridge, 1))) == text


async def test_a_message_above_the_limit_ends_it(settings: Settings) -> None:
    model = ScriptedModel(abilities=Abilities(at_once=True))
    async with running_core(replace(settings, max_message_bytes=128 * 1024), model) as core, bridge_of(core) as bridge:
        await known(bridge, core)
        model.add([[TextDelta("x" * 100_000)], [STOP]], says("Hello"))
        ask(bridge, core, 1)
        assert (await bridge.end_of(1)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        ask(bridge, core, 2)
        assert (await bridge.end_of(2)).status == 0


async def test_a_full_disk_is_told_before_any_word(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    await fill(core, 2)
    ask(bridge, core, 1, asking(core, LARGE))

    end = await bridge.end_of(1)
    assert end.status == grpc.StatusCode.UNAVAILABLE.value[0]
    assert "storage_unavailable" in end.reason
    assert 1 not in bridge.messages
