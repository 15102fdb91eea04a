"""MCP servers that are gone, drop, hang or talk nonsense: one error each, and never a traceback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.tools.mcp_operator import OperatorServer
from service.tools.tool import Outcome, TokenWantedError, ToolError
from tests.fakes.mcp_server import McpServer
from tests.service.tools.mcp_calls import desk, errand, kind, tool_of

BROKE = "The connection to the MCP server broke before it had answered."
NONSENSE = "The MCP server answered with what is no message of the protocol."
HTTP_500 = "The MCP server answered with HTTP 500."
LATE = "The MCP server did not answer in time."


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with McpServer() as running:
        yield running


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        ("drop", {"type": "http_error", "code": 500, "message": HTTP_500}, None),
        ("nonsense", {"type": "mcp_protocol_error", "code": -32700, "message": NONSENSE}, None),
        ("error", {"type": "http_error", "code": 500, "message": HTTP_500}, None),
        ("cut", {"type": "mcp_protocol_error", "code": -32000, "message": BROKE}, None),
    ],
)
async def test_a_call_that_a_server_spoils_fails_and_the_next_one_works(
    *, older: bool, fault: str, error: dict[str, Any], done: bool | None
) -> None:
    async with McpServer(older=older) as server, desk(kind(server), tool_of(server.url)) as opened:
        server.faults["tools/call"] = fault
        outcome = await opened.call("note", text="milk")
        assert isinstance(outcome, ToolError)
        assert (opened.tool("note").item(opened.said("note"), outcome)["error"], outcome.done) == (error, done)
        server.faults.clear()
        assert await opened.call("add", a=1, b=2) == Outcome("3")


@pytest.mark.parametrize("method", ["server/discover", "tools/list"])
@pytest.mark.parametrize(
    ("fault", "told"), [("error", HTTP_500), ("nonsense", NONSENSE), ("cut", BROKE), ("drop", HTTP_500)]
)
async def test_a_server_that_cannot_be_listed_gives_no_tools_and_says_why(
    server: McpServer, method: str, fault: str, told: str
) -> None:
    server.faults |= {method: fault, "initialize": fault}
    async with desk(kind(server), tool_of(server.url)) as opened:
        assert opened.opened.tools == []
        assert opened.listed == {"type": "mcp_list_tools", "server_label": "desk", "tools": [], "error": told}


async def test_a_server_that_is_gone_is_told_of(server: McpServer) -> None:
    mcp, url = kind(server), server.url
    async with McpServer() as gone:
        lost = gone.url
        mcp = kind(server, gone)
    async with desk(mcp, tool_of(lost)) as opened:
        assert opened.listed["error"] == "The MCP server can't be reached."
    async with desk(mcp, tool_of(url)) as opened:
        assert opened.listed["error"] is None


async def test_a_program_that_cannot_start_or_ends_at_once_is_told_of() -> None:
    gone = OperatorServer(label="gone", command=("/nonexistent/server",))
    ends = OperatorServer(label="ends", command=(sys.executable, "-c", "print('what is this')"))
    unset = OperatorServer(label="unset", command=("true",), env=("MISSING",))
    mcp = kind(operator={"gone": gone, "ends": ends, "unset": unset})
    for label, told in (
        ("gone", "The MCP server can't be reached."),
        ("ends", BROKE),
        ("unset", "The operator has not set this MCP server up."),
    ):
        async with desk(mcp, {"type": "mcp", "server_label": label}) as opened:
            assert opened.listed["error"] == told


async def test_a_place_that_leads_inwards_is_never_asked(server: McpServer) -> None:
    async with desk(kind(), tool_of(server.url)) as opened:
        assert "leads inwards" in opened.listed["error"]
    assert server.headers == []


async def test_a_refused_token_is_told_of_where_no_provider_is_named() -> None:
    async with McpServer(token="right") as server, desk(kind(server), tool_of(server.url)) as opened:
        assert opened.listed["error"] == "The MCP server refused the credentials: HTTP 401."


@pytest.mark.parametrize("tokens", [{}, {"crm": "old"}])
async def test_a_user_without_a_token_is_sent_to_the_authorization_server(tokens: dict[str, str]) -> None:
    async with McpServer(token="right") as server:
        mcp, tool = kind(server), tool_of(server.url, provider="crm")
        with pytest.raises(TokenWantedError) as wanted:
            async with desk(mcp, tool, errand(**tokens)):
                pass
        assert (wanted.value.provider, wanted.value.url) == ("crm", "https://login.example/")
        async with desk(mcp, tool, errand(crm="right", other="canary")) as opened:
            assert await opened.call("add", a=1, b=2) == Outcome("3")
        assert "canary" not in str(server.headers)


async def test_nobody_calls_for_a_user_without_the_users_token(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url, provider="crm")) as opened:
        with pytest.raises(TokenWantedError):
            await opened.call("note", text="milk")
    assert server.calls == 0


async def test_a_token_that_is_refused_in_the_middle_is_asked_for_again(server: McpServer) -> None:
    async with desk(kind(server), tool_of(server.url, provider="crm"), errand(crm="old")) as opened:
        server.token = "new"
        with pytest.raises(TokenWantedError) as wanted:
            await opened.call("note", text="milk")
    assert wanted.value.url == "https://login.example/"
    assert server.notes == []


async def test_calls_at_once_share_a_connection(server: McpServer) -> None:
    mcp, tool = kind(server), tool_of(server.url)
    async with desk(mcp, tool):
        pass
    async with desk(mcp, tool) as opened:
        found = await asyncio.gather(*(opened.call("add", a=number, b=1) for number in range(5)))
    assert found == [Outcome(str(number + 1)) for number in range(5)]
    assert server.lists == 2
