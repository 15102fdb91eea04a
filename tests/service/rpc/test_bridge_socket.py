"""The one socket of a bridge: its calls are admitted, refused, held back and ended one by one."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import GetResponseRequest, WatchResponseRequest

from bridge_link.link import SUFFIX
from bridge_link.parts import CANCEL, CREDIT, credit
from service.model.chunk import TextDelta, TextRun
from service.model.scripted import STOP, ScriptedModel, says
from service.rpc.hop import Bridges
from service.rpc.hop_call import WINDOW
from service.rpc.listening import AddressError
from service.runner.runs import singly
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.keys import revoke, with_another_key
from tests.service.requests import asking
from tests.service.rpc.bridge_end import MOST, SECONDS, Bridge, bridge_of, connected, with_socket


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Those of a core with a socket for its bridges."""
    return with_socket(settings, tmp_path)


@pytest.fixture
async def bridge(core: CoreUnderTest) -> AsyncIterator[Bridge]:
    async with bridge_of(core) as joined:
        yield joined


async def test_a_call_is_answered_as_if_it_had_come_alone(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    bridge.open(core, 1, "CreateResponse", asking(core))
    end = await bridge.end_of(1)

    answer = Response.FromString(end.message)
    alone = await core.responses.GetResponse(GetResponseRequest(id=answer.id), metadata=core.metadata())
    assert (end.status, answer) == (0, alone)
    assert not end.metadata


async def test_a_bridge_gets_a_run_of_deltas_whole_and_everybody_else_each_by_itself(
    bridge: Bridge, core: CoreUnderTest
) -> None:
    core.model.add([[TextRun(["a", "b", "c"])], [STOP]])
    bridge.open(core, 1, "StreamResponse", asking(core))
    await bridge.end_of(1)
    batches = [EventBatch.FromString(message) for message in bridge.messages[1]]
    whole = [event for batch in batches for event in batch.events]
    (run,) = [event for event in whole if event.HasField("output_text_deltas")]
    assert list(run.output_text_deltas.deltas) == ["a", "b", "c"]

    name, metadata = whole[0].created.response.id, core.metadata()
    for after in range(-1, len(whole) + 2):
        request = WatchResponseRequest(id=name, starting_after=after) if after >= 0 else WatchResponseRequest(id=name)
        told = [e async for batch in core.responses.WatchResponse(request, metadata=metadata) for e in batch.events]
        assert told == list(singly(whole))[after + 1 :]


async def test_every_call_shows_its_own_key(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    bridge.open(core, 1, "CreateResponse", asking(core))
    bridge.open(core, 2, "CreateResponse", asking(core), key="nxk_wrong")
    refusal = await bridge.end_of(2)

    assert grpc.StatusCode.UNAUTHENTICATED.value[0] == refusal.status
    assert "invalid_api_key" in refusal.reason
    assert (await bridge.end_of(1)).status == 0


async def test_an_rpc_that_is_not_there_is_unimplemented(bridge: Bridge, core: CoreUnderTest) -> None:
    bridge.open(core, 1, "NoSuchCall", GetResponseRequest())

    assert (await bridge.end_of(1)).status == grpc.StatusCode.UNIMPLEMENTED.value[0]


async def test_a_reader_that_lags_is_waited_for_and_holds_back_nobody(bridge: Bridge, core: CoreUnderTest) -> None:
    flood = [[TextDelta("word " * 1000)] for _ in range(200)]
    core.model.add([*flood, [STOP]], says("Hello"))
    bridge.open(core, 1, "StreamResponse", asking(core))
    came = await bridge.bytes_of(1, WINDOW)
    bridge.open(core, 2, "CreateResponse", asking(core))
    await bridge.end_of(2)

    # A window, and a message that is as long as it and a word more.
    assert await bridge.bytes_of(1, came) == came < 3 * WINDOW
    bridge.say(1, CREDIT, credit(came))
    assert await bridge.bytes_of(1, came + WINDOW) > came


async def test_a_reader_that_lags_is_told_that_its_key_stopped_working(bridge: Bridge, core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    core.model.add([[TextDelta("word " * 5000)], [TextDelta("word " * 5000)], asyncio.Event()])
    bridge.open(core, 1, "StreamResponse", asking(core), key=theirs.key)
    await bridge.bytes_of(1, WINDOW)
    await revoke(core, key_id)

    assert "invalid_api_key" in (await bridge.end_of(1)).reason


async def test_a_cancelled_call_ends_and_the_others_go_on(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event(), [STOP]], says("Hello"))
    bridge.open(core, 1, "StreamResponse", asking(core))
    await bridge.bytes_of(1, 1)
    bridge.say(1, CANCEL, b"")
    bridge.open(core, 2, "CreateResponse", asking(core))

    assert (await bridge.end_of(1)).status == grpc.StatusCode.CANCELLED.value[0]
    assert (await bridge.end_of(2)).status == 0


async def test_the_calls_of_a_bridge_that_is_gone_end(core: CoreUnderTest) -> None:
    link = await connected(core)
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    link.joined.open(core, 1, "StreamResponse", asking(core))
    await link.joined.bytes_of(1, 1)
    link.abort()
    async with asyncio.timeout(SECONDS):
        while core.model.stopped == 0:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_bridge_can_not_have_more_calls_than_the_core_takes(settings: Settings) -> None:
    model = ScriptedModel()
    async with running_core(replace(settings, max_calls=1), model) as core:
        bridge = (await connected(core)).joined
        model.add([[TextDelta("Once")], asyncio.Event()])
        bridge.open(core, 1, "StreamResponse", asking(core))
        await bridge.bytes_of(1, 1)
        bridge.open(core, 2, "CreateResponse", asking(core))
        assert (await bridge.end_of(2)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


async def test_a_request_above_the_limit_is_refused_and_the_others_go_on(settings: Settings) -> None:
    model = ScriptedModel()
    async with running_core(replace(settings, max_message_bytes=128 * 1024), model) as core:
        bridge = (await connected(core)).joined
        model.add(says("Hello"))
        bridge.open(core, 1, "CreateResponse", asking(core, "x" * 100_000))
        bridge.open(core, 2, "CreateResponse", asking(core))
        assert (await bridge.end_of(1)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert (await bridge.end_of(2)).status == 0


async def test_an_event_above_the_limit_ends_its_stream_and_the_others_go_on(settings: Settings) -> None:
    model = ScriptedModel()
    async with running_core(replace(settings, max_message_bytes=128 * 1024), model) as core:
        bridge = (await connected(core)).joined
        model.add([[TextDelta("x" * 100_000)], asyncio.Event()], says("Hello"))
        bridge.open(core, 1, "StreamResponse", asking(core))
        assert (await bridge.end_of(1)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        bridge.open(core, 2, "CreateResponse", asking(core))
        assert (await bridge.end_of(2)).status == 0


async def test_a_core_that_stops_does_not_wait_for_an_idle_bridge(settings: Settings) -> None:
    async with asyncio.timeout(SECONDS):
        async with running_core(replace(settings, drain=60), ScriptedModel()) as core:
            link = await connected(core)
        await link.over.wait()


async def test_the_socket_is_its_owners_only_and_goes_with_its_core(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / f"core.sock{SUFFIX}"
    async with running_core(settings, ScriptedModel()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_socket_that_a_killed_core_left_is_replaced(settings: Settings, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/core.sock{SUFFIX}")
    async with running_core(settings, ScriptedModel()) as core:
        await connected(core)


async def test_what_is_no_socket_is_not_replaced(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / f"core.sock{SUFFIX}").write_text("somebody's")
    with pytest.raises(AddressError, match="where bridges reach the core, can't be listened on"):
        async with running_core(settings, ScriptedModel()):
            pass


async def test_a_core_that_goes_leaves_the_socket_of_the_one_in_its_place(tmp_path: Path) -> None:
    first, second = (Bridges({}, max_message_bytes=MOST, most=1) for _ in range(2))
    for bridges in (first, second):
        await bridges.listen([f"unix:{tmp_path}/core.sock"])
    await first.close(0)
    _, writer = await asyncio.open_unix_connection(f"{tmp_path}/core.sock{SUFFIX}")
    writer.close()
    await second.close(0)


async def test_a_path_that_is_too_long_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bridges = Bridges({}, max_message_bytes=MOST, most=1)
    await bridges.listen([f"unix:{tmp_path}/{'long' * 25}"])
    assert "is long for a socket" in caplog.text
    await bridges.close(0)
