"""SIGTERM: what runs is ended in the open, the exit status is 0, and the next start finds everything in order."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import SECONDS, CoreProcess, answering_core, asking, assistant_on, integrity, watched
from tests.service.refusals import refusal
from tests.service.runner.ladder import climb

ENDLESS = Reply(words(" ".join(str(number) for number in range(100_000))), pause=0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_open_stream_gets_its_last_event(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.replies.append(ENDLESS)
        async with answering_core(data, "--drain", "0.2") as core:
            assistant_id = await assistant_on(core, upstream.url)
            events: list[ResponseEvent] = []
            call = core.responses.StreamResponse(asking(assistant_id, "Count"), metadata=core.metadata)
            async for batch in call:
                if not events:
                    core.process.send_signal(number)
                events += batch.events
            assert await core.ended() == 0
        async with asyncio.timeout(10):
            await upstream.hung_up.wait()

    climb(events)
    failed = events[-1].failed.response
    assert (failed.status, failed.error.code) == (Response.STATUS_FAILED, "server_error")
    assert integrity(data) == "ok"
    assert not [path.name for path in data.iterdir() if path.name.endswith(("-wal", "-shm"))]


async def test_what_can_end_in_time_does_and_nothing_new_begins(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        upstream.gate.clear()
        async with answering_core(data, "--drain", "20") as core:
            assistant_id = await assistant_on(core, upstream.url)
            request = asking(assistant_id, "Good day", settings=ResponseSettings(background=True))
            running = await core.responses.CreateResponse(request, metadata=core.metadata)
            await upstream.asked.wait()

            await told_to_leave(core)
            answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata))
            upstream.gate.set()
            whole = await watched(core, running.id)

            assert await core.ended() == 0
    assert (answer.status, answer.reason, answer.retry_after) == ("UNAVAILABLE", "server_draining", 1)
    assert climb(whole.events).terminal == "completed"


async def told_to_leave(core: CoreProcess) -> None:
    """Sends SIGTERM and waits until the core says that it has begun to leave."""
    assert core.channel
    stub: Any = HealthStub(core.channel)
    call = stub.Watch(HealthCheckRequest())
    async with asyncio.timeout(SECONDS):
        async for answer in call:
            if answer.status == HealthCheckResponse.NOT_SERVING:
                break
            core.process.send_signal(signal.SIGTERM)
    # A call that stays open holds the core for as long as it may take.
    call.cancel()


async def test_a_restart_keeps_the_conversation(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            request = asking(assistant_id, "I am Alice")
            first = await core.responses.CreateResponse(request, metadata=core.metadata)
            assert await core.terminate() == 0

        async with answering_core(data) as core:
            read = await core.responses.GetResponse(GetResponseRequest(id=first.id), metadata=core.metadata)
            assert read == first
            request = asking(assistant_id, "recall", previous_response_id=first.id)
            second = await core.responses.CreateResponse(request, metadata=core.metadata)
            assert await core.terminate() == 0

    assert second.output[0].message.content[0].output_text.text == "I am Alice"
