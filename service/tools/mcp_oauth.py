"""Where a user gets the token that an MCP server wants: RFC 9728, as far as a server that keeps no client needs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from service.tools.mcp_trouble import UnauthorizedError
from service.tools.tool import TokenWantedError, ToolError

if TYPE_CHECKING:
    from service.tools.egress import Egress

SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
MAX_URL: Final = 2048


async def token_wanted(error: UnauthorizedError, provider: str, egress: Egress) -> TokenWantedError:
    """What to ask for: a token of `provider`, and where it is given.

    That is the authorization server of the resource's metadata; the metadata's own address where they can't be read.
    """
    if not _is_address(error.metadata):
        return TokenWantedError(provider)
    try:
        answer = await egress.fetch("GET", error.metadata, seconds=SECONDS, most=MOST_BYTES)
        servers = json.loads(answer.body)["authorization_servers"] if answer.status == 200 else []
    except (ToolError, ValueError, KeyError, TypeError, RecursionError):
        servers = []
    first: Any = servers[0] if isinstance(servers, list) and servers else ""
    return TokenWantedError(provider, url=first if _is_address(first) else error.metadata)


def _is_address(text: Any) -> bool:
    try:
        parts = urlsplit(text) if isinstance(text, str) and len(text) <= MAX_URL and text.isprintable() else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
