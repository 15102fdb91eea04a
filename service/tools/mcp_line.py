"""The way of one response to one MCP server: its list of tools, and a connection as soon as one is needed."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from service.tools.masking import masked, secrets_in
from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_listing import Listing, Listings
from service.tools.tool import ToolError

if TYPE_CHECKING:
    from service.tools.egress import Egress
    from service.tools.mcp_session import Session

SESSION: Final = "service.tools.mcp_session"
_closing: set[asyncio.Task[None]] = set()
"""Connections on their way out, which nobody else holds."""


class Line:
    """How a server is reached; `key` tells apart whose list it is. It has to be closed.

    A list that was taken earlier is enough to begin with, unless it is to be taken `anew`; each connection takes it
    again before its first call. Everything here raises ToolError.
    """

    def __init__(
        self, target: Endpoint | Program, *, egress: Egress, listings: Listings, key: Hashable, anew: bool = False
    ) -> None:
        self._target = target
        self.egress = egress
        self._listings = listings
        self._key = key
        self._anew = anew
        self._opening = asyncio.Lock()
        self._secrets = [] if isinstance(target, Program) else secrets_in(target.headers)
        self._open: tuple[Session, Listing] | None = None

    async def listing(self) -> Listing:
        """The tools of the server, as it says now or said not long ago."""
        known = None if self._anew else self._listings.get(self._key)
        return known or (await self._connected())[1]

    async def call(self, name: str, values: Mapping[str, Any], *, key: str, approved: str) -> Mapping[str, Any]:
        """The protocol's `CallToolResult` of one call.

        `approved` is the digest of the definition that somebody approved of, empty where nobody had to.
        """
        session, listing = await self._connected()
        if approved and approved not in [tool.digest for tool in listing.tools if tool.name == name]:
            raise ToolError(
                "tool_error", "The tool is no longer the one that was approved of: its definition changed.", done=False
            )
        return await session.call(name, values, key=key, seconds=self._target.seconds)

    def masked(self, text: str) -> str:
        """What the server said, without what it was sent to know us by."""
        return masked(text, self._secrets)

    def close(self) -> None:
        """Lets go of the connection."""
        if self._open is not None:
            _end(self._open[0])

    async def _connected(self) -> tuple[Session, Listing]:
        async with self._opening:
            if self._open is None or not self._open[0].alive:
                self._open = await self._connect()
            return self._open

    async def _connect(self) -> tuple[Session, Listing]:
        known = self._listings.get(self._key)
        # What the list says now counts, and what it said is gone if the server can't be reached that way.
        self._listings.forget(self._key)
        module = await asyncio.to_thread(importlib.import_module, SESSION)
        session: Session = module.Session(
            self._target,
            open_client=self.egress.client,
            way=known.way if known else None,
            on_change=lambda: self._listings.forget(self._key),
        )
        try:
            await session.ready()
            listing = self._unsecret(await session.list_tools())
        except BaseException:
            _end(session)
            raise
        self._listings.keep(self._key, listing)
        return session, listing

    def _unsecret(self, listing: Listing) -> Listing:
        tools = [
            replace(
                tool,
                description=self.masked(tool.description),
                schema=self.masked(tool.schema),
                annotations=self.masked(tool.annotations),
            )
            for tool in listing.tools
        ]
        return replace(listing, tools=tools) if tools != list(listing.tools) else listing


def _end(session: Session) -> None:
    session.close()
    _closing.add(session.task)
    session.task.add_done_callback(_closing.discard)
