"""A client whose key is revoked is told so on its open stream, over SSE and WebSocket, and then everywhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from rest_bridge.settings import Settings
from service.model.chunk import TextDelta
from service.model.scripted import STOP
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import running_bridge
from tests.rest_bridge.ladder import TERMINAL
from tests.rest_bridge.socket_client import ask, opened, told
from tests.service.keys import revoke, with_another_key

SECONDS = 30
"""A bound for a busy machine; tests/faults/test_revocation.py looks at the clock."""


def error_of(event: dict[str, Any]) -> tuple[str, str]:
    return event["type"], event["error"]["code"]


async def test_a_revoked_key_s_sse_stream_ends_with_the_reason(core: CoreUnderTest, bridge_settings: Settings) -> None:
    theirs, key_id = await with_another_key(core)
    core.model.add([[TextDelta("Hel")], asyncio.Event(), [STOP]])
    events: list[dict[str, Any]] = []
    async with (
        running_bridge(core.address, bridge_settings, key=theirs.key, assistant_id=core.assistant_id) as bridge,
        bridge.http() as http,
        http.stream("POST", "/v1/responses", json=bridge.body(stream=True)) as answer,
        asyncio.timeout(SECONDS),
    ):
        done = False
        async for line in answer.aiter_lines():
            done = done or line == "data: [DONE]"
            if not line.startswith("data: {"):
                continue
            events.append(json.loads(line.removeprefix("data: ")))
            if events[-1]["type"] == "response.output_text.delta":
                await revoke(core, key_id)

        assert done
        assert error_of(events[-1]) == ("error", "invalid_api_key")
        assert not {event["type"] for event in events} & TERMINAL
        refused = await bridge.http().get(f"/v1/responses/{events[0]['response']['id']}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_a_revoked_key_s_websocket_is_told_the_reason_and_answers_nothing_more(
    core: CoreUnderTest, bridge_settings: Settings
) -> None:
    theirs, key_id = await with_another_key(core)
    core.model.add([[TextDelta("Hel")], asyncio.Event(), [STOP]])
    async with (
        running_bridge(core.address, bridge_settings, key=theirs.key, assistant_id=core.assistant_id) as bridge,
        opened(bridge) as socket,
    ):
        await socket.send(json.dumps({"type": "response.create", **bridge.body()}))
        async with asyncio.timeout(SECONDS):
            while "output_text.delta" not in str(await socket.recv()):
                pass
            await revoke(core, key_id)
            events = await told(socket)
        assert error_of(events[-1]) == ("error", "invalid_api_key")
        refused = (await ask(socket, bridge))[-1]
        assert (refused["status"], refused["error"]["code"]) == (401, "invalid_api_key")
