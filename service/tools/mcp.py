"""Tools of type `mcp`: servers of the Model Context Protocol, in a request, on an assistant, or the operator's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from service.errors import NodexaError
from service.tools.mcp_endpoint import Endpoint, Program
from service.tools.mcp_listing import Listings
from service.tools.mcp_operator import OperatorServer
from service.tools.mcp_server import McpServer, read_server
from service.tools.mcp_source import McpSource
from service.tools.tool import Errand, Source, ToolError

if TYPE_CHECKING:
    from service.tools.egress import Egress


class Mcp:
    """The kind. `operator` are the servers of `nodexa.toml`; `environment` has the secrets that they name.

    `clock` is in milliseconds.
    """

    def __init__(
        self,
        egress: Egress,
        *,
        operator: Mapping[str, OperatorServer],
        environment: Mapping[str, str],
        clock: Callable[[], int],
    ) -> None:
        self._egress = egress
        self._operator = operator
        self._environment = environment
        self._listings = Listings(clock)

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        """Raises NodexaError for a tool that can't be. Opens no socket."""
        server = read_server(tool, path)
        if server.url:
            self._egress.check(server.url, f"{path}.server_url")
        elif not self._may_use(server, org_id=org_id, own=own):
            raise _wrong("server_url is required: the address of the MCP server.", f"{path}.server_url")
        elif server.headers:
            raise _wrong("The operator says what this server is sent: leave out headers.", f"{path}.headers")
        if own and server.headers:
            field = "authorization" if tool.get("authorization") else "headers"
            message = (
                f"An assistant keeps no secrets, so it can't have {field}: name a provider whose user tokens are sent, "
                "or have the operator write the server into nodexa.toml."
            )
            raise _wrong(message, f"{path}.{field}")
        if server.provider and not own:
            raise _wrong(
                "Only an assistant's tool has a provider: give its token in authorization.", f"{path}.provider"
            )

    def source(self, tool: Mapping[str, Any]) -> Source:
        """Where its tools come from."""
        server = read_server(tool, "")
        known = self._operator.get(server.label)
        if server.url or known is None:
            endpoint = Endpoint(server.url, server.headers)
            return McpSource(server, target=lambda _: endpoint, egress=self._egress, listings=self._listings)

        def target(errand: Errand) -> Endpoint | Program:
            if not known.serves(errand.org_id):
                raise ToolError("tool_error", "This MCP server is not for this organization.", done=False)
            return known.target(self._environment)

        egress = self._egress.beside(known.url) if known.url else self._egress
        return McpSource(server, target=target, egress=egress, listings=self._listings)

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        """Whether a model server could reach it, too: the operator's servers and users' tokens are ours alone."""
        return not tool.get("provider") and (
            bool(tool.get("server_url")) or tool.get("server_label") not in self._operator
        )

    def _may_use(self, server: McpServer, *, org_id: str, own: bool) -> bool:
        known = self._operator.get(server.label)
        return own and known is not None and known.serves(org_id)


def _wrong(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)
