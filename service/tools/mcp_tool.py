"""One tool of an MCP server, as the runner calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nodexa.v1.tool_pb2 import FunctionTool

from service.tools.mcp_line import Line
from service.tools.mcp_listing import Listed
from service.tools.mcp_oauth import token_wanted
from service.tools.mcp_result import outcome_of
from service.tools.mcp_server import McpServer
from service.tools.mcp_trouble import UnauthorizedError, error_of
from service.tools.tool import Call, Errand, Outcome, TokenWantedError, ToolError


class McpTool:
    """A tool that `line` leads to."""

    type: Final = "mcp_call"
    phases: Final[Sequence[str]] = ("in_progress",)

    def __init__(self, server: McpServer, listed: Listed, line: Line) -> None:
        self._server = server
        self._listed = listed
        self._line = line

    @property
    def shown(self) -> FunctionTool:
        """The function that the model is shown."""
        return self._listed.shown(self._server.label, self._server.description)

    @property
    def repeatable(self) -> bool:
        """What its server says of it."""
        return self._listed.repeatable

    @property
    def approval(self) -> bool:
        """What `require_approval` says of it."""
        return self._server.approval.wanted(self._listed.name, read_only=self._listed.read_only)

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        """An `mcp_call`, under the names that the server gives."""
        return {
            "server_label": self._server.label,
            "name": self._listed.name,
            "arguments": call.arguments,
            "output": outcome.output if isinstance(outcome, Outcome) else None,
            "error": error_of(outcome) if isinstance(outcome, ToolError) else None,
        }

    async def run(self, call: Call, errand: Errand) -> Outcome:
        """Calls it. Raises ToolError and TokenWantedError."""
        provider = self._server.provider
        if provider and not errand.tokens.of(provider):
            raise TokenWantedError(provider)
        approved = self._listed.digest if self.approval else ""
        try:
            result = await self._line.call(self._listed.name, call.values, key=call.key, approved=approved)
            outcome = outcome_of(result)
        except UnauthorizedError as error:
            if not provider:
                raise
            raise await token_wanted(error, provider, self._line.egress) from None
        except ToolError as error:
            error.message = self._line.masked(error.message)
            raise
        return Outcome(self._line.masked(outcome.output))
