"""The three ways to an MCP server: Streamable HTTP, the older SSE, and a program of this machine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_failure import Seen

OPEN_SECONDS: Final = 10.0
"""How long a server may take until it is ready for calls."""
START_SECONDS: Final = 20.0
"""The same for a program, which has to start."""
IDLE_SECONDS: Final = 300.0
EVENT_BYTES: Final = 4 * 1024 * 1024
_TIMES: Final = httpx2.Timeout(OPEN_SECONDS, read=IDLE_SECONDS)

OpenClient = Callable[[dict[str, str], httpx2.Timeout], httpx2.AsyncClient]
"""Makes the HTTP client of one connection."""


@dataclass(frozen=True, slots=True)
class Roads:
    """The transports to one server; `seen` hears what it answers to HTTP requests."""

    target: Endpoint | Program
    open_client: OpenClient
    seen: Seen

    @property
    def seconds(self) -> float:
        """How long it may take until it is ready."""
        return OPEN_SECONDS if isinstance(self.target, Endpoint) else START_SECONDS

    @property
    def older(self) -> bool:
        """Whether it seems to know the older transport only."""
        return isinstance(self.target, Endpoint) and self.seen.status in (400, 404, 405)

    @asynccontextmanager
    async def open(self, *, sse: bool) -> AsyncIterator[Any]:
        """The streams of a connection, as the SDK makes them."""
        if isinstance(self.target, Program):
            command, *arguments = self.target.command
            told = StdioServerParameters(command=command, args=arguments, env=dict(self.target.environment))
            # What it says there is for its author, and may be anything.
            with Path(os.devnull).open("w") as unread:  # noqa: ASYNC230  it never blocks
                async with stdio_client(told, errlog=unread) as streams:
                    yield streams
            return
        endpoint = self.target

        def client(*_: object, **__: object) -> httpx2.AsyncClient:
            opened = self.open_client(dict(endpoint.headers), _TIMES)
            opened.event_hooks = {"response": [self.seen.note]}
            return opened

        if sse:
            async with sse_client(endpoint.url, httpx_client_factory=client) as streams:
                yield streams
            return
        async with (
            client() as http,
            streamable_http_client(endpoint.url, http_client=http, max_sse_event_size=EVENT_BYTES) as streams,
        ):
            yield streams
