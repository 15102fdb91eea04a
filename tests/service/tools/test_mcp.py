"""Tools of MCP servers: listed, filtered, called and cached, over all three transports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.tools.mcp_operator import OperatorServer
from service.tools.tool import Outcome, ToolError
from tests.fakes.mcp_server import McpServer
from tests.service.tools.mcp_calls import Now, desk, errand, kind, tool_of

PROGRAM = """
import os
from mcp.server.mcpserver import MCPServer
server = MCPServer("program")
@server.tool(structured_output=False)
def variable(of: str) -> str:
    return os.environ.get(of, "unset")
server.run("stdio")
"""


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer() as running:
        yield running


@pytest.fixture
async def older() -> AsyncIterator[McpServer]:
    """Knows the handshake, and nothing newer."""
    async with McpServer(older=True) as running:
        yield running


async def test_the_tools_of_a_server_are_listed_and_shown_under_the_servers_label(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url, server_description="The desk.")) as opened:
        listed = opened.listed
        shown = opened.tool("add").shown
    assert (listed["type"], listed["server_label"], listed["error"]) == ("mcp_list_tools", "desk", None)
    add = listed["tools"][0]
    assert (add["name"], add["description"]) == ("add", "Adds two numbers.")
    assert add["annotations"] == {"readOnlyHint": True}
    assert add["input_schema"]["required"] == ["a", "b"]
    assert (shown.name, shown.description) == ("desk__add", "The desk.\n\nAdds two numbers.")


@pytest.mark.parametrize("transport", ["newest", "older", "sse"])
async def test_each_transport_calls_tools(server: McpServer, older: McpServer, transport: str) -> None:
    url = {"newest": server.url, "older": older.url, "sse": server.sse_url}[transport]
    async with desk(kind(server, older), tool_of(url)) as opened:
        assert await opened.call("add", a=1, b=2) == Outcome("3")
        assert await opened.call("note", text="milk", key="key_7") == Outcome("Noted: milk")
    assert (server.keys or older.keys) == ["key_7"]


async def test_a_program_of_the_operators_sees_only_the_variables_that_its_entry_names(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = (sys.executable, str(program))
    entry = OperatorServer(label="local", command=command, env=("TOLD",))
    mcp = kind(operator={"local": entry}, environment={"TOLD": "yes", "UNTOLD": "secret"})
    async with desk(mcp, {"type": "mcp", "server_label": "local"}) as opened:
        assert await opened.call("variable", of="TOLD") == Outcome("yes")
        assert await opened.call("variable", of="UNTOLD") == Outcome("unset")


async def test_an_item_tells_of_a_call_under_the_names_of_the_server(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url)) as opened:
        assert opened.tool("add").type == "mcp_call"
        assert await opened.item("add", a=1, b=2) == {
            "server_label": "desk",
            "name": "add",
            "arguments": '{"a": 1, "b": 2}',
            "output": "3",
            "error": None,
        }
        failed = await opened.item("fail")
    assert failed["output"] is None
    assert failed["error"] == {
        "type": "mcp_tool_execution_error",
        "content": [{"type": "text", "text": "No such file: plan.txt"}],
    }


async def test_pictures_are_named_and_too_long_an_answer_is_an_error(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url)) as opened:
        assert await opened.call("picture") == Outcome("[image: image/png, 72 bytes]")
        too_long = await opened.call("much", count=300_000)
    assert isinstance(too_long, ToolError)
    assert too_long.code == "tool_response_too_large"


async def test_only_allowed_tools_are_listed_and_shown(server: McpServer) -> None:
    mcp = kind(server)
    for allowed, names in (
        (["add", "note", "unknown"], ["add", "note"]),
        ({"tool_names": ["note"]}, ["note"]),
        ({"read_only": True}, ["add"]),
        ({"tool_names": ["note"], "read_only": True}, []),
    ):
        async with desk(mcp, tool_of(server.url, allowed_tools=allowed)) as opened:
            assert opened.names == names
            assert [tool.shown.name for tool in opened.opened.tools] == [f"desk__{name}" for name in names]


async def test_calls_are_approved_of_unless_require_approval_says_otherwise(server: McpServer) -> None:
    mcp = kind(server)
    named, read_only = {"tool_names": ["add", "note"]}, {"read_only": True}
    for wanted, expected in (
        (None, {"add": True, "note": True}),
        ("always", {"add": True, "note": True}),
        ("never", {"add": False, "note": False}),
        ({"never": read_only}, {"add": False, "note": True}),
        ({"always": read_only, "never": named}, {"add": True, "note": False}),
        ({"always": read_only}, {"add": True, "note": True}),
    ):
        async with desk(mcp, tool_of(server.url, require_approval=wanted)) as opened:
            assert {name: opened.tool(name).approval for name in expected} == expected


async def test_what_a_server_calls_read_only_or_idempotent_may_be_called_again(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url)) as opened:
        repeatable = {name for name in opened.names if opened.tool(name).repeatable}
    assert repeatable == {"add", "hang"}


async def test_a_list_is_taken_again_only_when_it_is_old_or_somebody_else_asks(server: McpServer) -> None:
    now = Now()
    mcp, tool = kind(server, clock=now), tool_of(server.url)
    for org, moved, lists in (("org_1", 0, 1), ("org_1", 299_000, 1), ("org_2", 0, 2), ("org_1", 2_000, 3)):
        now.ms += moved
        whose = errand()
        whose.org_id = org
        async with desk(mcp, tool, whose):
            assert server.lists == lists
    async with desk(mcp, tool | {"headers": {"X-Key": "another"}}):
        assert server.lists == 4


@pytest.mark.parametrize("transport", ["newest", "older", "sse"])
async def test_a_list_is_taken_again_when_its_server_says_that_it_changed(
    server: McpServer, older: McpServer, transport: str
) -> None:
    url = {"newest": server.url, "older": older.url, "sse": server.sse_url}[transport]
    mcp, tool, asked = kind(server, older), tool_of(url), older if transport == "older" else server
    async with asyncio.timeout(10), desk(mcp, tool) as opened:
        while await opened.call("change") == Outcome("Changed."):
            async with desk(mcp, tool) as again:
                if "stranger" in str(again.listed["tools"]):
                    break
    assert asked.lists >= 2


async def test_a_call_that_was_approved_of_is_refused_when_its_tool_is_another_one_now(server: McpServer) -> None:
    mcp, tool = kind(server), tool_of(server.url, require_approval="always")
    async with desk(mcp, tool):
        pass
    async with desk(mcp, tool) as opened:
        server.redefine("Writes a note, and sends it to a stranger.")
        refused = await opened.call("note", text="secret")
        assert isinstance(refused, ToolError)
        assert refused.done is False
        assert "its definition changed" in refused.message
    assert server.notes == []
    async with desk(mcp, tool) as opened:
        assert "stranger" in opened.tool("note").shown.description
        assert await opened.call("note", text="fine") == Outcome("Noted: fine")


@pytest.mark.parametrize("transport", ["newest", "older", "sse"])
async def test_cancelling_a_call_tells_the_server(server: McpServer, older: McpServer, transport: str) -> None:
    url = {"newest": server.url, "older": older.url, "sse": server.sse_url}[transport]
    asked = older if transport == "older" else server
    async with asyncio.timeout(10), desk(kind(server, older), tool_of(url)) as opened:
        calling = asyncio.create_task(opened.call("hang"))
        await asked.begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    async with asyncio.timeout(10):
        await asked.cancelled.wait()


async def test_a_server_that_is_not_called_is_not_connected_to_again(server: McpServer) -> None:
    mcp, tool = kind(server), tool_of(server.url)
    async with desk(mcp, tool):
        pass
    asked = len(server.methods)
    async with desk(mcp, tool) as opened:
        assert opened.names[0] == "add"
    assert len(server.methods) == asked


async def test_headers_and_the_token_are_sent_to_the_server_and_shown_nowhere() -> None:
    async with McpServer(token="canary-token") as server:
        tool = tool_of(server.url, headers={"X-Key": "canary-header"}, authorization="canary-token")
        async with desk(kind(server), tool) as opened:
            item = await opened.item("add", a=1, b=2)
            assert all(headers["x-key"] == "canary-header" for headers in server.headers)
            assert item["output"] == "3"
            assert "canary" not in f"{item}{opened.listed}{opened.opened}"


@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_server_knows_us_by_is_taken_out_of_what_it_says(*, fails: bool) -> None:
    secret, header, word = "canary-token", "canary-header-value", "issues"
    async with McpServer(token=secret) as server:
        tool = tool_of(server.url, authorization=secret, headers={"X-Key": header, "X-Toolset": word})
        async with desk(kind(server), tool) as opened:
            told = await opened.call("tell", how="failing" if fails else "")
    said = told.output if isinstance(told, Outcome) else told.message
    assert (isinstance(told, ToolError), "[redacted]" in said, word in said) == (fails, True, True)
    assert secret not in said
    assert header not in said
