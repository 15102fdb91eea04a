"""What goes wrong with an MCP server, in words for the model and numbers for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.tools.mcp_result import TOOL_ERROR
from service.tools.tool import ToolError

TIMED_OUT = -32001
"""The protocol's number of a call that took too long."""
CLOSED = -32000
MOST_TOLD = 2000
"""Characters of a server's own error message."""


class ServerError(ToolError):
    """The server refused a call: `mcp_protocol_error` with the protocol's number, `http_error` with HTTP's."""

    def __init__(self, code: str, number: int, message: str, *, done: bool | None = True) -> None:
        super().__init__(code, message[:MOST_TOLD], done=done)
        self.number = number


class UnauthorizedError(ServerError):
    """The server wants a token, or another one; `metadata` is the URL that says who gives them."""

    def __init__(self, status: int, metadata: str) -> None:
        super().__init__("http_error", status, f"The MCP server refused the credentials: HTTP {status}.", done=False)
        self.metadata = metadata


def error_of(error: ToolError) -> Mapping[str, Any]:
    """The `error` of an `mcp_call` item."""
    if error.code == TOOL_ERROR:
        return {"type": TOOL_ERROR, "content": [{"type": "text", "text": error.message}]}
    number = getattr(error, "number", TIMED_OUT if error.code == "tool_timeout" else CLOSED)
    kind = "http_error" if error.code == "http_error" else "mcp_protocol_error"
    return {"type": kind, "code": number, "message": error.message}
