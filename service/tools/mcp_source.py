"""The tools of one MCP server for one response, and the `mcp_list_tools` item that tells of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_line import Line
from service.tools.mcp_listing import MOST_TOOLS, Listed, Listings
from service.tools.mcp_oauth import token_wanted
from service.tools.mcp_server import McpServer
from service.tools.mcp_tool import McpTool
from service.tools.mcp_trouble import UnauthorizedError
from service.tools.tool import Errand, Opened, ToolError

if TYPE_CHECKING:
    from service.tools.egress import Egress

TYPE: Final = "mcp_list_tools"


class McpSource:
    """A server as a tool describes it.

    `target` says where that is, or raises ToolError; `egress` is the way there.
    """

    def __init__(
        self,
        server: McpServer,
        *,
        target: Callable[[Errand], Endpoint | Program],
        egress: Egress,
        listings: Listings,
    ) -> None:
        self._server = server
        self._target = target
        self._egress = egress
        self._listings = listings

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Opened]:
        """Its tools. Raises TokenWantedError where its list is only for those who have a token."""
        return self._opened(errand)

    @asynccontextmanager
    async def _opened(self, errand: Errand) -> AsyncIterator[Opened]:
        try:
            target = self._authorized(self._target(errand), errand)
        except ToolError as error:
            yield self._none(error)
            return
        key = (errand.org_id, self._server.label if isinstance(target, Program) else target.url, _digest(target))
        line = Line(target, egress=self._egress, listings=self._listings, key=key, anew=errand.anew)
        try:
            yield await self._offer(line)
        finally:
            line.close()

    def _authorized(self, target: Endpoint | Program, errand: Errand) -> Endpoint | Program:
        provider = self._server.provider
        token = errand.tokens.of(provider) if provider else ""
        if not token or isinstance(target, Program):
            return target
        return replace(target, headers={**target.headers, "Authorization": f"Bearer {token}"})

    async def _offer(self, line: Line) -> Opened:
        try:
            listing = await line.listing()
            allowed = self._allowed(listing.tools)
        except UnauthorizedError as error:
            if not self._server.provider:
                return self._none(error, line)
            raise await token_wanted(error, self._server.provider, line.egress) from None
        except ToolError as error:
            return self._none(error, line)
        item = self._item([tool.item() for tool in allowed], None)
        return Opened([McpTool(self._server, tool, line) for tool in allowed], [item])

    def _allowed(self, tools: Sequence[Listed]) -> list[Listed]:
        allowed = [tool for tool in tools if self._server.allowed.has(tool.name, read_only=tool.read_only)]
        if len(allowed) > MOST_TOOLS:
            message = (
                f"The MCP server has {len(allowed)} tools, and {MOST_TOOLS} is the most: name some in allowed_tools."
            )
            raise ToolError("too_many_tools", message, done=False)
        return allowed

    def _none(self, error: ToolError, line: Line | None = None) -> Opened:
        return Opened([], [self._item([], line.masked(error.message) if line else error.message)])

    def _item(self, tools: list[dict[str, object]], error: str | None) -> dict[str, object]:
        return {"type": TYPE, "server_label": self._server.label, "tools": tools, "error": error}


def _digest(target: Endpoint | Program) -> str:
    """Tells apart who asks, without saying it."""
    told = json.dumps(sorted((target.environment if isinstance(target, Program) else target.headers).items()))
    return hashlib.sha256(told.encode()).hexdigest()
