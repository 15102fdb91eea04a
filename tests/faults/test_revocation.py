"""S2: a key that is revoked under load stops working within a second, and its open streams end within five."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_service_pb2 import GetResponseRequest

from rest_bridge.settings import Settings
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on
from tests.faults.counts import count, measured
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.service.refusals import refusal

STREAMS = 20
ENDLESS = Reply(words(" ".join(str(number) for number in range(100_000))), pause=0.05)


class Clock:
    """When the key was revoked, and when which stream ended and how."""

    def __init__(self) -> None:
        self.running = 0
        self.all_run = asyncio.Event()
        self.revoked_at = 0.0
        self.ends: list[tuple[float, str]] = []

    def runs(self) -> None:
        self.running += 1
        if self.running == STREAMS:
            self.all_run.set()

    def ended(self, code: str) -> None:
        self.ends.append((time.monotonic(), code))


async def over_grpc(core: CoreProcess, key: str, assistant_id: str, clock: Clock) -> None:
    call = core.responses.StreamResponse(asking(assistant_id, "Count"), metadata=[("x-api-key", key)])
    assert isinstance(await anext(aiter(call)), EventBatch)
    clock.runs()
    clock.ended((await refusal(call)).reason)


async def over_sse(bridge: BridgeUnderTest, clock: Clock) -> None:
    last = ""
    async with (
        bridge.http(key=bridge.key) as http,
        http.stream("POST", "/v1/responses", json=bridge.body(stream=True)) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                if not last:
                    clock.runs()
                last = line.removeprefix("data: ")
    clock.ended(json.loads(last).get("error", {}).get("code", ""))


async def accepted_last(core: CoreProcess, key: str, clock: Clock) -> float:
    """When the last call of the key was let in; asks without a pause until two seconds after it was revoked."""
    last = 0.0
    while not clock.revoked_at or time.monotonic() < clock.revoked_at + 2:
        began = time.monotonic()
        asked = core.responses.GetResponse(GetResponseRequest(id="resp_none"), metadata=[("x-api-key", key)])
        if (await refusal(asked)).reason != "invalid_api_key":
            last = began
    return last


async def test_a_key_that_is_revoked_under_load_stops_working(tmp_path: Path) -> None:
    async with ChatServer() as upstream, answering_core(tmp_path / "var") as core:
        assistant_id = await assistant_on(core, upstream.url)
        for _ in range(count(1, soak=20)):
            upstream.replies.extend([ENDLESS] * STREAMS)
            request = CreateApiKeyRequest(name="load", scopes=[ApiKey.SCOPE_FULL_ACCESS])
            made = await core.admin.CreateApiKey(request, metadata=core.metadata)
            clock = Clock()
            async with (
                running_bridge(core.address, Settings(), key=made.secret, assistant_id=assistant_id) as bridge,
                asyncio.timeout(60),
                asyncio.TaskGroup() as group,
            ):
                last = group.create_task(accepted_last(core, made.secret, clock))
                for number in range(STREAMS):
                    stream = (
                        over_sse(bridge, clock) if number % 2 else over_grpc(core, made.secret, assistant_id, clock)
                    )
                    group.create_task(stream)
                await clock.all_run.wait()
                await core.admin.RevokeApiKey(RevokeApiKeyRequest(id=made.api_key.id), metadata=core.metadata)
                clock.revoked_at = time.monotonic()

            assert last.result() < clock.revoked_at + 1
            assert [code for _, code in clock.ends] == ["invalid_api_key"] * STREAMS
            assert max(at for at, _ in clock.ends) < clock.revoked_at + 5
            measured("S2", streams_ended_within=max(at for at, _ in clock.ends) - clock.revoked_at)
            assert "Traceback" not in core.messages()
