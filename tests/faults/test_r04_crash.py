"""R4: after a crash every response ends or goes on; nothing stays in progress for longer than a lease and 5 seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import grpc
import pytest
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest, ListResponsesRequest

from tests.fakes.chat_server import ChatServer, Raw
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(1800 if SOAK else 120)

LEASE: Final = 1.0
ALLOWED: Final = LEASE + 5.0
IN_FLIGHT: Final = count(200, soak=1000)
QUARTER: Final = IN_FLIGHT // 4
SILENT: Final = Raw((), hold=True)
BACKGROUND: Final = ResponseSettings(background=True)
RUNNING: Final = (Response.STATUS_QUEUED, Response.STATUS_IN_PROGRESS)


async def said_something(core: CoreProcess, assistant_id: str, *, background: bool) -> str:
    """The id of a new response with an item in its log; its stream is left open."""
    request = asking(assistant_id, "Once more", settings=ResponseSettings(background=background))
    call = core.responses.StreamResponse(request, metadata=core.metadata)
    response_id = ""
    async for batch in call:
        response_id = response_id or batch.events[0].created.response.id
        if any(event.HasField("output_text_delta") for event in batch.events):
            break
    return response_id


async def all_listed(core: CoreProcess) -> dict[str, Response]:
    """Every stored response by its id."""
    found: dict[str, Response] = {}
    token = ""
    while True:
        request = ListResponsesRequest(page_size=100, page_token=token)
        page = await core.responses.ListResponses(request, metadata=core.metadata)
        found |= {response.id: response for response in page.responses}
        token = page.next_page_token
        if not token:
            return found


async def settle(core: CoreProcess, response_id: str) -> Response:
    """The response once it is final, with its log judged."""
    events = (await watched(core, response_id)).events
    climb(events)
    return await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata)


async def test_everything_in_flight_ends_or_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        async with answering_core(data, "--lease", str(LEASE)) as core:
            assistant_id = await assistant_on(core, upstream.url)
            upstream.replies.extend([SILENT] * QUARTER * 2)
            quiet = asking(assistant_id, "Hello", settings=BACKGROUND)
            waiting = [
                core.responses.CreateResponse(asking(assistant_id, "Hi"), metadata=core.metadata)
                for _ in range(QUARTER)
            ]
            silent = [(await core.responses.CreateResponse(quiet, metadata=core.metadata)).id for _ in range(QUARTER)]
            await upstream.until_asked(2 * QUARTER)
            upstream.gate.clear()
            speaking = [
                await said_something(core, assistant_id, background=number % 2 == 0) for number in range(2 * QUARTER)
            ]
            # What nobody has heard of yet may wait a moment to be written: all are in flight once all are on disk.
            async with asyncio.timeout(ALLOWED):
                while len(in_flight := await all_listed(core)) < IN_FLIGHT:
                    pass
            assert {response.status for response in in_flight.values()} <= set(RUNNING)
            await core.kill()
            assert {await call.code() for call in waiting} == {grpc.StatusCode.UNAVAILABLE}
        assert wrong_with(data) == []
        asked = len(upstream.requests)
        upstream.gate.set()

        async with answering_core(data, "--lease", str(LEASE)) as core:
            begun = asyncio.get_running_loop().time()
            responses = await all_listed(core)
            assert len(responses) == IN_FLIGHT
            async with asyncio.timeout(ALLOWED):
                ended = dict(
                    zip(responses, await asyncio.gather(*(settle(core, one) for one in responses)), strict=True)
                )
            seconds = asyncio.get_running_loop().time() - begun
            assert await core.terminate() == 0
        assert wrong_with(data) == []

    assert {ended[one].status for one in silent} == {Response.STATUS_COMPLETED}
    assert len(upstream.requests) == asked + len(silent), "nothing but what had said nothing is asked again"
    failed = [ended[one] for one in ended if one not in silent]
    assert {(one.status, one.error.code) for one in failed} == {(Response.STATUS_FAILED, "server_error")}
    assert all(ended[one].output[0].message.content[0].output_text.text.startswith("Once") for one in speaking)
    measured("R4", in_flight=IN_FLIGHT, seconds=seconds)
