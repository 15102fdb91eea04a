"""`kill -9` of the core in the middle of a call of a REST tool: what is safe is asked again, what isn't never is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import CreateAssistantRequest
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.tool_pb2 import Tool, ToolSet

from tests.fakes.chat_server import ChatServer
from tests.fakes.web_server import Page, WebServer, shows
from tests.faults.core_process import answering_core, asking, assistant_on, watched, wrong_with
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(120)

GET: dict[str, Any] = {"method": "GET"}
POST: dict[str, Any] = {"method": "POST", "approval": False}


def allow(folder: Path, web: WebServer) -> None:
    """Lets the core reach the server."""
    folder.mkdir(mode=0o700)
    (folder / "nodexa.toml").write_text(f'[egress]\nallow = ["127.0.0.1:{web.port}"]\n')


async def killed_while_asking(
    folder: Path, described: dict[str, Any], *, background: bool
) -> tuple[Response, list[Any]]:
    """What became of a response whose tool was being asked when its core was killed, and what the tool's server got."""
    async with WebServer() as web, ChatServer() as upstream:
        allow(folder, web)
        web.pages["/order"] = Page(hang="before")
        tool = {"type": "rest", "name": "order", "url": f"{web.url}/order", **described}
        tools = ToolSet(tools=[Tool(opaque=Opaque(type="rest", json=json.dumps(tool)))])
        async with answering_core(folder) as core:
            await assistant_on(core, upstream.url)
            assistant = Assistant(name="Own", model="upstream", defaults=ResponseSettings(tools=tools))
            made = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=core.metadata)
            request = asking(made.id, "call order", settings=ResponseSettings(background=background))
            first = await anext(aiter(core.responses.StreamResponse(request, metadata=core.metadata)))
            async with asyncio.timeout(30):
                await web.came.wait()
            await core.kill()
        assert wrong_with(folder) == []
        web.pages["/order"] = shows({"state": "sent"})

        async with answering_core(folder) as core:
            events = (await watched(core, first.events[0].created.response.id)).events
    climb(events)
    kind = str(events[-1].WhichOneof("kind"))
    return getattr(events[-1], kind).response, web.asked


async def test_what_changes_nothing_is_asked_again_and_the_response_goes_on(tmp_path: Path) -> None:
    response, asked = await killed_while_asking(tmp_path / "var", GET, background=True)

    assert response.status == Response.STATUS_COMPLETED
    assert json.loads(response.output[0].opaque.json)["output"] == '{"state": "sent"}'
    assert len(asked) == 2


async def test_what_is_said_to_be_repeatable_is_asked_again_under_the_same_key(tmp_path: Path) -> None:
    response, asked = await killed_while_asking(tmp_path / "var", {**POST, "repeatable": True}, background=True)

    assert response.status == Response.STATUS_COMPLETED
    first, second = (each.headers["idempotency-key"] for each in asked)
    assert first == second


@pytest.mark.parametrize("background", [False, True])
async def test_what_changes_something_is_never_asked_twice(tmp_path: Path, *, background: bool) -> None:
    response, asked = await killed_while_asking(tmp_path / "var", POST, background=background)

    assert (response.status, response.error.code) == (Response.STATUS_FAILED, "tool_outcome_unknown")
    assert "order" in response.error.message
    assert len(asked) == 1
