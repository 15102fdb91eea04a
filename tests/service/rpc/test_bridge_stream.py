"""The one stream of a bridge: its calls are admitted, refused, held back and ended one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from nodexa.v1.bridge_service_pb2 import BridgeFrame, BridgePart, CorePart, MetadataEntry, OpenCall
from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceStub
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import GetResponseRequest, WatchResponseRequest

from service.model.model import TextDelta, TextRun
from service.model.scripted import STOP, ScriptedModel, says
from service.rpc.hop import HELLO
from service.rpc.hop_call import WINDOW
from service.runner.runs import singly
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.requests import asking

if TYPE_CHECKING:
    from nodexa.v1.bridge_service_pb2_grpc import BridgeServiceAsyncStub

SERVICE = "/nodexa.v1.ResponseService/"
SECONDS = 10


class Stream:
    """A stream as a bridge has it, with the parts that came of each call."""

    def __init__(self, core: CoreUnderTest) -> None:
        stub: BridgeServiceAsyncStub = BridgeServiceStub(core.channel)
        self.core = core
        self.opened: Any = stub.Connect()
        self.parts: list[CorePart] = []

    async def open(self, number: int, method: str, request: Message, key: str | None = None) -> None:
        """Begins a call."""
        metadata = [MetadataEntry(name="x-api-key", text=self.core.key if key is None else key)]
        opening = OpenCall(method=SERVICE + method, metadata=metadata, request=request.SerializeToString())
        await self.say(BridgePart(call=number, open=opening))

    async def say(self, *parts: BridgePart) -> None:
        await self.opened.write(BridgeFrame(parts=parts))

    async def end_of(self, number: int) -> CorePart:
        """The part that ends the call."""
        async with asyncio.timeout(SECONDS):
            while not (found := [part for part in self.parts if part.call == number and part.HasField("end")]):
                self.parts.extend((await self.opened.read()).parts)
        return found[0]

    async def bytes_of(self, number: int, at_least: int) -> int:
        """How many bytes of the call's messages have come, once they are as many."""
        async with asyncio.timeout(SECONDS):
            while (size := sum(len(part.message) for part in self.parts if part.call == number)) < at_least:
                self.parts.extend((await self.opened.read()).parts)
        return size


@pytest.fixture
async def stream(core: CoreUnderTest) -> AsyncIterator[Stream]:
    opened = Stream(core)
    yield opened
    opened.opened.cancel()


def reason(part: CorePart) -> str:
    """The code of the error that ended a call."""
    (details,) = [entry.data for entry in part.end.metadata if entry.name == "grpc-status-details-bin"]
    return str(Status.FromString(details).details[0])


async def test_the_stream_says_that_it_is_open(stream: Stream) -> None:
    assert HELLO in list(await stream.opened.initial_metadata())


async def test_a_call_is_answered_as_if_it_had_come_alone(stream: Stream) -> None:
    stream.core.model.add(says("Hello"))
    await stream.open(1, "CreateResponse", asking(stream.core))
    part = await stream.end_of(1)

    alone = await stream.core.responses.GetResponse(
        GetResponseRequest(id=Response.FromString(part.message).id), metadata=stream.core.metadata()
    )
    assert (part.end.status, Response.FromString(part.message)) == (0, alone)
    assert [entry.name for entry in part.end.metadata] == ["x-request-id"]


async def test_a_bridge_gets_a_run_of_deltas_whole_and_everybody_else_each_by_itself(stream: Stream) -> None:
    stream.core.model.add([[TextRun(["a", "b", "c"])], [STOP]])
    await stream.open(1, "StreamResponse", asking(stream.core))
    await stream.end_of(1)
    batches = [EventBatch.FromString(part.message) for part in stream.parts if part.message]
    whole = [event for batch in batches for event in batch.events]
    (run,) = [event for event in whole if event.HasField("output_text_deltas")]
    assert list(run.output_text_deltas.deltas) == ["a", "b", "c"]

    name, metadata = whole[0].created.response.id, stream.core.metadata()
    for after in range(-1, len(whole) + 2):
        request = WatchResponseRequest(id=name, starting_after=after) if after >= 0 else WatchResponseRequest(id=name)
        told = [
            e async for batch in stream.core.responses.WatchResponse(request, metadata=metadata) for e in batch.events
        ]
        assert told == list(singly(whole))[after + 1 :]


async def test_every_call_shows_its_own_key(stream: Stream) -> None:
    stream.core.model.add(says("Hello"))
    await stream.open(1, "CreateResponse", asking(stream.core))
    await stream.open(2, "CreateResponse", asking(stream.core), key="nxk_wrong")
    refusal = await stream.end_of(2)

    assert grpc.StatusCode.UNAUTHENTICATED.value[0] == refusal.end.status
    assert "invalid_api_key" in reason(refusal)
    assert (await stream.end_of(1)).end.status == 0


async def test_an_rpc_that_is_not_there_is_unimplemented(stream: Stream) -> None:
    await stream.open(1, "NoSuchCall", GetResponseRequest())

    assert (await stream.end_of(1)).end.status == grpc.StatusCode.UNIMPLEMENTED.value[0]


async def test_a_reader_that_lags_is_waited_for_and_holds_back_nobody(stream: Stream) -> None:
    flood = [[TextDelta("word " * 5000)] for _ in range(40)]
    stream.core.model.add([*flood, [STOP]], says("Hello"))
    await stream.open(1, "StreamResponse", asking(stream.core))
    came = await stream.bytes_of(1, WINDOW)
    await stream.open(2, "CreateResponse", asking(stream.core))
    await stream.end_of(2)

    assert await stream.bytes_of(1, came) == came < 2 * WINDOW
    await stream.say(BridgePart(call=1, credit=came))
    assert await stream.bytes_of(1, came + WINDOW) > came


async def test_a_cancelled_call_ends_and_the_others_go_on(stream: Stream) -> None:
    ended = asyncio.Event()
    stream.core.model.add([[TextDelta("Once")], ended, [STOP]], says("Hello"))
    await stream.open(1, "StreamResponse", asking(stream.core))
    await stream.bytes_of(1, 1)
    await stream.say(BridgePart(call=1, cancel=True))
    await stream.open(2, "CreateResponse", asking(stream.core))

    assert (await stream.end_of(1)).end.status == grpc.StatusCode.CANCELLED.value[0]
    assert (await stream.end_of(2)).end.status == 0


async def test_a_bridge_can_not_have_more_calls_than_the_core_takes(settings: Settings) -> None:
    model = ScriptedModel()
    async with running_core(replace(settings, max_calls=1), model) as core:
        stream = Stream(core)
        model.add([[TextDelta("Once")], asyncio.Event()])
        await stream.open(1, "StreamResponse", asking(core))
        await stream.bytes_of(1, 1)
        await stream.open(2, "CreateResponse", asking(core))
        assert (await stream.end_of(2)).end.status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        stream.opened.cancel()


async def test_a_core_that_stops_does_not_wait_for_an_idle_bridge(settings: Settings) -> None:
    async with asyncio.timeout(SECONDS):
        async with running_core(replace(settings, drain=60), ScriptedModel()) as core:
            stream = Stream(core)
            await stream.opened.initial_metadata()
