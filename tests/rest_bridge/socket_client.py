"""A plain client of the WebSocket at /v1/responses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.contract.told import check_event, check_refusal
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import TERMINAL


def opened(bridge: BridgeUnderTest, *, path: str = "/v1/responses", key: str | None = None, **headers: str) -> connect:
    """A connection as a client opens it; `async with` gives it."""
    sent = bridge.key if key is None else key
    credentials = {"authorization": f"Bearer {sent}"} if sent else {}
    url = f"ws://{bridge.host}:{bridge.port}{path}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(url, additional_headers={**credentials, **named}, proxy=None, compression=None, max_size=2**24)


async def told(socket: ClientConnection) -> list[dict[str, Any]]:
    """The events up to a terminal one or an error, each judged."""
    events: list[dict[str, Any]] = []
    ours = socket.request is not None and socket.request.headers.get("x-nodexa-dialect") == "nodexa"
    async with asyncio.timeout(10):
        while not events or events[-1]["type"] not in {*TERMINAL, "error"}:
            events.append(json.loads(await socket.recv()))
            if events[-1]["type"] == "error" and "status" in events[-1]:
                check_refusal(events[-1])
            else:
                check_event(events[-1], ours=ours)
    return events


async def ask(socket: ClientConnection, bridge: BridgeUnderTest, **more: Any) -> list[dict[str, Any]]:
    """What the smallest request with `more` in it is told."""
    await socket.send(json.dumps({"type": "response.create", **bridge.body(**more)}))
    return await told(socket)
