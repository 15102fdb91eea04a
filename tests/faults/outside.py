"""What the platform's own tools reach: a web server and two of MCP, and a model server that calls them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.fakes.chat_server import ChatServer
from tests.fakes.mcp_server import McpServer
from tests.fakes.web_server import WebServer


@dataclass(frozen=True, slots=True)
class Outside:
    """What the platform's own tools reach, and a model server that calls them."""

    chat: ChatServer
    web: WebServer
    mcp: McpServer
    operators: McpServer


@contextlib.asynccontextmanager
async def outside(*, token: str, operators_token: str) -> AsyncIterator[Outside]:
    """All of it; the servers of MCP are for who brings their tokens."""
    async with (
        ChatServer() as chat,
        WebServer() as web,
        McpServer(token=token) as mcp,
        McpServer(token=operators_token) as operators,
    ):
        yield Outside(chat, web, mcp, operators)
