"""`kill -9` of the core in the middle of an MCP server's call, and what is found afterwards of the server's secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import CreateAssistantRequest
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest
from nodexa.v1.tool_pb2 import Tool, ToolSet

from tests.fakes.chat_server import ChatServer
from tests.fakes.mcp_server import McpServer
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, integrity, watched
from tests.service.runner.ladder import climb

TOKEN, HEADER = "canary-mcp-token", "canary-mcp-header"
SECONDS = 30.0


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer(token=TOKEN) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path, server: McpServer) -> Path:
    """A data directory whose core may reach the server."""
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    (folder / "nodexa.toml").write_text(f'[egress]\nallow = ["{server.address}"]\n')
    return folder


def using(server: McpServer, **more: Any) -> ResponseSettings:
    told = {
        "type": "mcp",
        "server_label": "desk",
        "server_url": server.url,
        "require_approval": "never",
        "authorization": TOKEN,
        "headers": {"X-Key": HEADER},
    }
    tool = Tool(opaque=Opaque(type="mcp", json=json.dumps(told)))
    return ResponseSettings(tools=ToolSet(tools=[tool]), **more)


def told_of(core: CoreProcess) -> str:
    """Everything that the core wrote: its log and every file of its data, as one text."""
    files = [path.read_bytes() for path in core.data.rglob("*") if path.is_file()]
    return core.messages() + json.dumps(core.log) + b"".join(files).decode("latin-1")


@pytest.mark.parametrize("background", [False, True])
async def test_a_call_with_effects_is_never_made_twice(data: Path, server: McpServer, *, background: bool) -> None:
    async with ChatServer() as upstream:
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
            settings = using(server, background=background)
            request = asking(assistant_id, "call desk__linger in milk", settings=settings)
            stream = core.responses.StreamResponse(request, metadata=core.metadata)
            first = await anext(aiter(stream))
            async with asyncio.timeout(SECONDS):
                await server.begun.wait()
            await core.kill()
        assert integrity(data) == "ok"

        async with answering_core(data) as core:
            response_id = first.events[0].created.response.id
            whole = await watched(core, response_id)
            climb(whole.events)
            read = await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata)
            assert read.status == Response.STATUS_FAILED
            assert await core.terminate() == 0
            assert server.notes == ["milk"]
            for secret in (TOKEN, HEADER):
                assert secret not in told_of(core)


async def test_a_call_that_its_server_calls_idempotent_is_made_again(data: Path) -> None:
    async with McpServer() as server, ChatServer() as upstream:
        (data / "nodexa.toml").write_text(f'[egress]\nallow = ["{server.address}"]\n')
        async with answering_core(data) as core:
            await assistant_on(core, upstream.url)
            told = {"type": "mcp", "server_label": "desk", "server_url": server.url, "require_approval": "never"}
            tools = ToolSet(tools=[Tool(opaque=Opaque(type="mcp", json=json.dumps(told)))])
            assistant = Assistant(name="Own", model="upstream", defaults=ResponseSettings(tools=tools))
            made = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=core.metadata)
            request = asking(made.id, "call desk__hang", settings=ResponseSettings(background=True))
            first = await anext(aiter(core.responses.StreamResponse(request, metadata=core.metadata)))
            async with asyncio.timeout(SECONDS):
                await server.begun.wait()
            await core.kill()
        assert server.calls == 1
        server.release.set()

        async with answering_core(data) as core:
            response_id = first.events[0].created.response.id
            whole = await watched(core, response_id)
            climb(whole.events)
            assert whole.events[-1].completed.response.status == Response.STATUS_COMPLETED
            assert '"output": "late' in str(whole.events[-1].completed.response.output[1].opaque.json)
    assert server.calls == 2


async def test_secrets_of_a_server_are_written_nowhere(data: Path, server: McpServer) -> None:
    async with ChatServer() as upstream, answering_core(data) as core:
        assistant_id = await assistant_on(core, upstream.url)
        request = asking(assistant_id, "call desk__note in milk", settings=using(server))
        answer = await core.responses.CreateResponse(request, metadata=core.metadata)
        assert answer.status == Response.STATUS_COMPLETED
        assert server.notes == ["milk"]
        server.token = "another"
        refused = await core.responses.CreateResponse(request, metadata=core.metadata)
        assert "refused the credentials" in str(refused.output)
        assert await core.terminate() == 0
        assert all(headers.get("x-key") == HEADER for headers in server.headers)
        for secret in (TOKEN, HEADER):
            assert secret not in told_of(core)
            assert secret not in f"{answer}{refused}"
