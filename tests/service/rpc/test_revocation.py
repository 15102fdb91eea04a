"""A key that is revoked, or whose organization is disabled, loses its open calls too, and is told so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CancelResponseRequest, WatchResponseRequest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, ScriptedModel, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.keys import as_another_organization, disable, revoke, with_another_key
from tests.service.refusals import Refusal, read, refusal
from tests.service.requests import asking, create, get, said, watch

SECONDS = 30
"""A bound for a busy machine; tests/faults/test_revocation.py looks at the clock."""


async def stuck(core: CoreUnderTest, *, background: bool = False) -> tuple[str, asyncio.Task[Refusal]]:
    """A stream that said something and waits for more: the id of its response, and the error that it will end with."""
    core.model.add([[TextDelta("Hel")], asyncio.Event(), [STOP]])
    request = asking(core, settings=ResponseSettings(background=background))
    call = core.responses.StreamResponse(request, metadata=core.metadata())
    first = await anext(aiter(call))
    return first.events[0].created.response.id, asyncio.create_task(refusal(call))


async def told(ending: asyncio.Task[Refusal]) -> tuple[str, str, str]:
    async with asyncio.timeout(SECONDS):
        answer = await ending
    return answer.status, answer.reason, answer.message.partition(":")[0]


async def settled(core: CoreUnderTest, response_id: str) -> Response.Status.ValueType:
    """How a response ends."""
    async with asyncio.timeout(SECONDS):
        while await is_running(core, response_id):  # noqa: ASYNC110 - a reader would keep it going
            await asyncio.sleep(0.05)
    return (await get(core, response_id)).status


async def is_running(core: CoreUnderTest, response_id: str) -> bool:
    return (await get(core, response_id)).status == Response.STATUS_IN_PROGRESS


ENDED = ("UNAUTHENTICATED", "invalid_api_key", "The API key stopped working")


async def test_a_revoked_key_s_stream_ends_and_its_run_as_if_the_client_had_hung_up(core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    response_id, ending = await stuck(theirs)

    await revoke(core, key_id)

    assert await told(ending) == ENDED
    assert await settled(core, response_id) == Response.STATUS_CANCELLED
    assert core.model.stopped == 1


async def test_a_revoked_key_s_watch_ends_and_a_background_run_goes_on(core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    gate = asyncio.Event()
    core.model.add([[TextDelta("Hel")], gate, [TextDelta("lo"), STOP]])
    running = await create(theirs, settings=ResponseSettings(background=True))
    watching = theirs.responses.WatchResponse(WatchResponseRequest(id=running.id), metadata=theirs.metadata())
    ending = asyncio.create_task(refusal(watching))

    await revoke(core, key_id)

    assert await told(ending) == ENDED
    gate.set()
    assert said((await watch(core, running.id))[-1].completed.response) == "Hello"


async def test_a_revoked_key_gets_no_answer_that_it_waits_for(core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    core.model.add([[TextDelta("Hel")], asyncio.Event(), [STOP]])
    waiting = theirs.responses.CreateResponse(asking(theirs), metadata=theirs.metadata())
    ending = asyncio.create_task(refusal(waiting))
    async with asyncio.timeout(10):
        while not core.model.prompts:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)

    await revoke(core, key_id)

    assert await told(ending) == ENDED


async def test_a_disabled_organization_s_streams_end(core: CoreUnderTest) -> None:
    other, org_id = await as_another_organization(core)
    endings = [(await stuck(other))[1] for _ in range(3)]

    await disable(core, org_id)

    assert [await told(ending) for ending in endings] == [ENDED] * 3


async def test_other_keys_streams_go_on(core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    response_id, ending = await stuck(core)
    _, theirs_ending = await stuck(theirs)

    await revoke(core, key_id)

    assert await told(theirs_ending) == ENDED
    assert not ending.done()
    cancelled = CancelResponseRequest(id=response_id)
    assert (await core.responses.CancelResponse(cancelled, metadata=core.metadata())).id == response_id
    async with asyncio.timeout(SECONDS):
        await asyncio.wait([ending])
    with pytest.raises(AssertionError, match="the call was not refused"):
        ending.result()


async def test_a_client_that_does_not_read_is_cut_off(core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    flood = [[TextDelta("word " * 5000)] for _ in range(40)]
    core.model.add([*flood, asyncio.Event(), [STOP]])
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with grpc.aio.insecure_channel(core.address, options=options) as channel:
        slow = replace(theirs, channel=channel)
        call = slow.responses.StreamResponse(asking(slow), metadata=slow.metadata())
        response_id = (await anext(aiter(call))).events[0].created.response.id

        await revoke(core, key_id)

        assert await settled(core, response_id) == Response.STATUS_CANCELLED


@pytest.fixture
async def pair(settings: Settings) -> AsyncIterator[tuple[CoreUnderTest, CoreUnderTest]]:
    """Two cores on one data directory, with the same key and assistant."""
    shared = replace(settings, shared=True)
    async with running_core(shared, ScriptedModel()) as one, running_core(shared, ScriptedModel()) as two:
        yield one, replace(two, quickstart=one.quickstart)


async def test_what_one_core_revokes_stops_working_at_the_other(pair: tuple[CoreUnderTest, CoreUnderTest]) -> None:
    one, two = pair
    theirs, key_id = await with_another_key(two)
    _, ending = await stuck(theirs)

    await revoke(one, key_id)

    revoked_at = time.monotonic()
    async with asyncio.timeout(SECONDS):
        asked_at = revoked_at
        while not await is_refused(theirs):
            assert asked_at < revoked_at + 1
            asked_at = time.monotonic()
    assert await told(ending) == ENDED


async def is_refused(core: CoreUnderTest) -> bool:
    """Whether the key is, asked about a response that isn't there."""
    try:
        await get(core, "resp_00000000-0000-0000-0000-000000000000")
    except grpc.aio.AioRpcError as error:
        return read(error).reason == "invalid_api_key"
    raise AssertionError("there is no such response")


async def test_calls_beyond_the_bound_are_refused_and_probes_are_not(settings: Settings) -> None:
    model = ScriptedModel()
    async with running_core(replace(settings, max_calls=2), model) as core:
        endings = [(await stuck(core))[1] for _ in range(2)]
        answer = await refusal(create(core))
        assert (answer.status, answer.reason, answer.retry_after) == ("UNAVAILABLE", "server_overloaded", 1)
        assert "2 calls" in answer.message
        stub: Any = HealthStub(core.channel)
        assert (await stub.Check(HealthCheckRequest())).status == HealthCheckResponse.SERVING

        endings[0].cancel()
        await asyncio.wait([endings[0]])
        model.add(says("Hello"))
        async with asyncio.timeout(SECONDS):
            while await crowded(core):
                pass
        endings[1].cancel()


async def crowded(core: CoreUnderTest) -> bool:
    try:
        await create(core)
    except grpc.aio.AioRpcError as error:
        return read(error).reason == "server_overloaded"
    return False
