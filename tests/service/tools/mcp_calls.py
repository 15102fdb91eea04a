"""The kind `mcp` before real servers of this machine, called as the runner does it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from service.settings import monotonic_ms
from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.mcp import Mcp
from service.tools.mcp_operator import OperatorServer
from service.tools.tool import Call, Errand, Opened, Outcome, Tool, ToolError, UserTokens
from tests.fakes.mcp_server import McpServer


@dataclass(slots=True)
class Now:
    """A clock that a test moves."""

    ms: int = 0

    def __call__(self) -> int:
        return self.ms


def kind(
    *servers: McpServer,
    operator: Mapping[str, OperatorServer] | None = None,
    environment: Mapping[str, str] | None = None,
    clock: Any = monotonic_ms,
) -> Mcp:
    """The kind, allowed to reach the servers."""
    egress = Egress(Allowance.of([server.address for server in servers]))
    return Mcp(egress, operator=operator or {}, environment=environment or {}, clock=clock)


def tool_of(url: str, **more: Any) -> dict[str, Any]:
    """An `mcp` tool whose calls nobody has to approve of."""
    return {"type": "mcp", "server_label": "desk", "server_url": url, "require_approval": "never", **more}


def errand(**tokens: str) -> Errand:
    """A response's errand, with these user tokens."""
    return Errand("org_1", "asst_1", "alice", "resp_1", UserTokens(tokens))


@dataclass(slots=True)
class Desk:
    """What was opened: calls go by the names that the server gives its tools."""

    opened: Opened
    errand: Errand = field(default_factory=errand)

    @property
    def listed(self) -> Mapping[str, Any]:
        """The `mcp_list_tools` item."""
        return self.opened.items[0]

    @property
    def names(self) -> list[str]:
        return [tool["name"] for tool in self.listed["tools"]]

    def tool(self, name: str) -> Tool:
        return self.opened.tools[self.names.index(name)]

    async def call(self, name: str, *, key: str = "key_1", **values: Any) -> Outcome | ToolError:
        """What came of a call."""
        try:
            return await self.tool(name).run(self.said(name, key=key, **values), self.errand)
        except ToolError as error:
            return error

    async def item(self, name: str, **values: Any) -> Mapping[str, Any]:
        """The item of a call that was made."""
        return self.tool(name).item(self.said(name, **values), await self.call(name, **values))

    def said(self, name: str, *, key: str = "key_1", **values: Any) -> Call:
        return Call(self.tool(name).shown.name, json.dumps(values), values, key)


@asynccontextmanager
async def desk(mcp: Mcp, tool: Mapping[str, Any], errand: Errand | None = None) -> AsyncIterator[Desk]:
    """The tools of a server, for one response."""
    whose = errand or globals()["errand"]()
    async with mcp.source(tool).open(whose) as opened:
        yield Desk(opened, whose)
