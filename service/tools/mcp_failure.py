"""What the SDK raises, and what the server was heard to answer, as the one error that a call ends with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, PARSE_ERROR, REQUEST_TIMEOUT

from service.tools.guard import EgressError
from service.tools.mcp_trouble import CLOSED, ServerError, UnauthorizedError
from service.tools.tool import ToolError

Done = bool | None
_METADATA: Final = re.compile(r'resource_metadata\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_REFUSED: Final = "insufficient_scope"
_OWN: Final[Mapping[int, str]] = MappingProxyType(
    {
        CONNECTION_CLOSED: "The connection to the MCP server broke before it had answered.",
        PARSE_ERROR: "The MCP server answered with what is no message of the protocol.",
        INVALID_REQUEST: "The MCP server answered otherwise than the protocol says.",
    }
)
"""What the SDK makes up itself, under the protocol's numbers."""


class Seen:
    """What the server answered last that was no success, to a message that it was sent."""

    def __init__(self) -> None:
        self.status = 0
        self.challenge = ""

    async def note(self, response: httpx2.Response) -> None:
        """Takes an answer down. What GET gets says nothing: no server need offer that."""
        refused = response.status_code in (401, 403)
        if refused or (response.request.method == "POST" and response.status_code >= 400):
            self.status = response.status_code
            self.challenge = response.headers.get("www-authenticate", "")

    def forget(self) -> None:
        """Begins anew."""
        self.status, self.challenge = 0, ""

    @staticmethod
    def closed(error: Exception) -> bool:
        """Whether an error says no more than that the connection is gone."""
        return isinstance(error, MCPError) and error.code == CONNECTION_CLOSED

    @property
    def unauthorized(self) -> bool:
        """Whether it wanted a token, or another one."""
        return self.status == 401 or (self.status == 403 and _REFUSED in self.challenge)

    @property
    def metadata(self) -> str:
        """The URL of its metadata, where it named one."""
        found = _METADATA.search(self.challenge)
        return (found[1] or found[2] or "") if found else ""


def failure_of(error: BaseException, seen: Seen, *, sent: bool) -> ToolError:
    """The error to tell of. `sent` says that a call was on its way, of which nobody may know what became."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ToolError):
        return error
    unknown = None if sent else False
    if seen.unauthorized:
        return UnauthorizedError(seen.status, seen.metadata)
    for kind, told in _TOLD.items():
        if isinstance(error, kind):
            return told(error, seen, unknown)
    return _broken(error, seen, unknown)


def _protocol(error: Any, seen: Seen, unknown: Done) -> ToolError:
    if error.code == REQUEST_TIMEOUT:
        # Over the older transport nothing else tells of a message that was refused.
        return _http(seen.status, unknown) if seen.status else _late(error, seen, unknown)
    if error.data is None and error.message in _STAND_INS:
        return _http(seen.status, unknown) if seen.status else _broken(error, seen, unknown)
    message, done = (_OWN[error.code], unknown) if error.code in _OWN else (error.message, True)
    return ServerError("mcp_protocol_error", error.code, message, done=done)


def _late(_: Any, __: Seen, unknown: Done) -> ToolError:
    return ToolError("tool_timeout", "The MCP server did not answer in time.", done=unknown)


def _stopped(error: Any, _: Seen, unknown: Done) -> ToolError:
    return ToolError(error.code, error.message, done=False if error.code == "url_not_allowed" else unknown)


def _unreachable(_: Any, __: Seen, ___: Done) -> ToolError:
    return ServerError("mcp_protocol_error", CLOSED, "The MCP server can't be reached.", done=False)


def _nonsense(_: Any, __: Seen, unknown: Done) -> ToolError:
    return ServerError("mcp_protocol_error", PARSE_ERROR, _OWN[PARSE_ERROR], done=unknown)


def _broken(_: Any, __: Seen, unknown: Done) -> ToolError:
    return ServerError("mcp_protocol_error", CLOSED, _OWN[CONNECTION_CLOSED], done=unknown)


def _http(status: int, unknown: Done) -> ToolError:
    done = False if status < 500 else unknown
    return ServerError("http_error", status, f"The MCP server answered with HTTP {status}.", done=done)


_TOLD: Final[Mapping[type[Exception], Callable[[Any, Seen, Done], ToolError]]] = MappingProxyType(
    {
        MCPError: _protocol,
        httpx2.HTTPStatusError: lambda error, _, unknown: _http(error.response.status_code, unknown),
        EgressError: _stopped,
        httpx2.TimeoutException: _late,
        TimeoutError: _late,
        httpx2.ConnectError: _unreachable,
        OSError: _unreachable,
        httpx2.SSEError: _nonsense,
        RuntimeError: _nonsense,
        ValueError: _nonsense,
    }
)
"""What is said of each kind of error; the first that fits counts."""

_STAND_INS: Final = ("Server returned an error response", "Not Found", "Session terminated")
"""What the SDK says where HTTP refused, and the server said nothing of its own."""
