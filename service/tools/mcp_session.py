"""One connection to an MCP server, kept by a task of its own; the only module that imports MCP's SDK.

The import takes a second and fifty megabytes: service.tools.mcp_line does it when a server is to be reached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio
import mcp_types as types
from mcp.client.client import Client
from mcp.client.session import IncomingMessage
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_failure import Seen, failure_of
from service.tools.mcp_listing import KEPT_MS, Listed, Listing, listed
from service.tools.mcp_transport import OpenClient, Roads
from service.tools.tool import ToolError

LIST_SECONDS: Final = 10.0
KEY: Final = "idempotencyKey"
CLOSE_SECONDS: Final = 3.0
MOST_PAGES: Final = 32
_ME: Final = types.Implementation(name="nodexa", version="1")

# They tell what servers say, with tracebacks.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Way:
    """How a server was reached, to be spared the search the next time."""

    sse: bool = False
    mode: str = "auto"
    discovered: types.DiscoverResult | None = None


class Session:
    """A connection; made ready by `ready`, ended by `close`.

    `way` is that of an earlier listing; `on_change` is called when the server says that its tools changed. Everything
    here raises ToolError, `done` False where no call can have begun.
    """

    def __init__(
        self, target: Endpoint | Program, *, open_client: OpenClient, way: object, on_change: Callable[[], None]
    ) -> None:
        self._way = way if isinstance(way, Way) else Way()
        self._on_change = on_change
        self._seen = Seen()
        self._roads = Roads(target, open_client, self._seen)
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._abandoned = False
        self._end: Exception | None = None
        self.task = asyncio.create_task(self._keep())

    @property
    def alive(self) -> bool:
        """Whether it can still be used, or will be."""
        return not self.task.done() and not self._closing.is_set()

    async def ready(self) -> None:
        """Returns when calls can be made."""
        await asyncio.shield(self._opened)

    def close(self) -> None:
        """Ends it soon."""
        self._closing.set()
        if not self._opened.done():
            self.task.cancel()

    async def list_tools(self) -> Listing:
        """All tools of the server."""
        client = await asyncio.shield(self._opened)
        try:
            async with asyncio.timeout(LIST_SECONDS):
                found, lasts = await _pages(client)
        except Exception as error:  # noqa: BLE001  the SDK raises whatever comes of a server's nonsense
            raise await self._failure(error, sent=False) from None
        return Listing(found, self._way, lasts)

    async def call(self, name: str, values: Mapping[str, Any], *, key: str, seconds: float) -> Mapping[str, Any]:
        """The protocol's `CallToolResult`, as JSON. Cancelling it, or `seconds`, tells the server to stop.

        `key` is told under KEY in `_meta`.
        """
        client = await asyncio.shield(self._opened)
        self._seen.forget()
        try:
            result = await client.call_tool(
                name, dict(values), seconds, meta=cast("types.RequestParamsMeta", {KEY: key})
            )
        except asyncio.CancelledError:
            self._abandoned = True
            raise
        except Exception as error:  # noqa: BLE001  as above
            self._abandoned = True
            raise await self._failure(error, sent=True) from None
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def _failure(self, error: Exception, *, sent: bool) -> ToolError:
        if self._seen.status:
            # The older transport is of no use after one, and another connection costs little.
            self._closing.set()
        elif not self.alive or self._seen.closed(error):
            # What broke the connection says more than that it broke.
            self._closing.set()
            await asyncio.wait([self.task], timeout=CLOSE_SECONDS)
        return failure_of(self._end or error, self._seen, sent=sent)

    async def _keep(self) -> None:
        try:
            await self._reach()
        except Exception as error:  # noqa: BLE001  as above
            self._end = error
            if not self._opened.done():
                self._opened.set_exception(failure_of(error, self._seen, sent=False))
        finally:
            self._closing.set()
            if not self._opened.done():
                self._opened.set_exception(ToolError("tool_error", "The connection was closed.", done=False))
            self._opened.exception()  # Where nobody waits, nobody needs to be told.

    async def _reach(self) -> None:
        try:
            await self._attempt(self._way)
        except Exception:
            if self._opened.done() or self._way.sse or not self._roads.older:
                raise
            await self._attempt(Way(sse=True, mode="legacy"))

    async def _attempt(self, way: Way) -> None:
        self._seen.forget()
        with anyio.fail_after(self._roads.seconds) as limit:
            async with Client(
                self._roads.open(sse=way.sse),
                mode=way.mode,
                prior_discover=way.discovered,
                client_info=_ME,
                message_handler=self._hear,
                cache=None,
            ) as client:
                limit.deadline = float("inf")
                modern = client.protocol_version in MODERN_PROTOCOL_VERSIONS
                mode = client.protocol_version if modern else "legacy"
                self._way = Way(way.sse, mode, client.session.discover_result)
                self._opened.set_result(client)
                async with anyio.create_task_group() as group:
                    if modern:
                        group.start_soon(self._listen, client)
                    await self._closing.wait()
                    group.cancel_scope.cancel()
                limit.deadline = anyio.current_time() + CLOSE_SECONDS
                if self._abandoned and not modern:
                    # Messages leave in order: behind this one, the server knows what was cancelled.
                    await client.session.send_request(types.PingRequest(), types.EmptyResult, CLOSE_SECONDS)

    async def _listen(self, client: Client) -> None:
        """Newer servers say that their tools changed only to who asks for it."""
        capability = client.server_capabilities.tools
        if capability is None or not capability.list_changed:
            return
        # A server that doesn't keep its promise costs no more than a list that is old.
        with suppress(Exception):
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._on_change()

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._on_change()


async def _pages(client: Client) -> tuple[list[Listed], int]:
    """All tools, and for how many milliseconds to believe it."""
    found, cursor, lasts = list[dict[str, Any]](), None, KEPT_MS
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools]
        # Older servers can't say how long a list lasts, which reads as 0.
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS and page.ttl_ms:
            lasts = min(lasts, page.ttl_ms)
        cursor = page.next_cursor
        if cursor is None:
            return listed(found), lasts
    raise ToolError("tool_error", f"The MCP server's list of tools has more than {MOST_PAGES} pages.", done=False)
