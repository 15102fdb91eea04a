"""What an `mcp` tool says of its server, read and checked; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from service.errors import NodexaError

LABEL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
MAX_URL: Final = 2048
MAX_HEADERS: Final = 32
MAX_HEADER: Final = 8192
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_OURS: Final = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that the protocol sets, and nobody else."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Some tools of a server: those named, and those that are read-only or are not; None leaves that open."""

    names: frozenset[str] | None = None
    read_only: bool | None = None

    def has(self, name: str, *, read_only: bool) -> bool:
        """Whether a tool is among them."""
        return (self.names is None or name in self.names) and (self.read_only is None or self.read_only == read_only)


@dataclass(frozen=True, slots=True)
class Approval:
    """Which calls somebody has to approve of: those in `always`, and those that are not in `never`."""

    always: Filter | None = None
    never: Filter | None = None

    def wanted(self, name: str, *, read_only: bool) -> bool:
        """Whether each call of a tool has to be approved of."""
        if self.always is not None and self.always.has(name, read_only=read_only):
            return True
        return self.never is None or not self.never.has(name, read_only=read_only)


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server as a tool describes it. Without `url` it is the operator's own of that label."""

    label: str
    url: str = ""
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allowed: Filter = field(default_factory=Filter)
    approval: Approval = field(default_factory=Approval)
    provider: str = ""


def read_server(tool: Mapping[str, Any], path: str) -> McpServer:
    """The server of an `mcp` tool. Raises NodexaError for what can't be, its `param` under `path`."""
    for name, value in tool.items():
        if value is None or name in _READ:
            continue
        if name in _REFUSED:
            raise NodexaError(
                "unsupported_parameter", f"{name} is not supported: {_REFUSED[name]}", param=_at(path, name)
            )
        raise _wrong(path, name, f"{name} is no field of an mcp tool; it has {', '.join(sorted(_READ - {'type'}))}.")
    return McpServer(
        label=_label(tool, path),
        url=_url(tool, path),
        description=_text(tool, "server_description", path),
        headers=_headers(tool, path),
        allowed=_allowed(tool, path),
        approval=_approval(tool, path),
        provider=_text(tool, "provider", path),
    )


def header_problem(name: str, value: str) -> str:
    """Why a header can't be sent, in words; empty when it can. Never says the value."""
    if not _HEADER_NAME.fullmatch(name):
        return f"{name[:64]!r} is no name of a header"
    if name.lower() in _OURS:
        return f"the header {name} is set by the protocol"
    if len(value) > MAX_HEADER or not _HEADER_VALUE.fullmatch(value):
        return f"the value of {name} has more than {MAX_HEADER} characters, or some that are not printable ASCII"
    return ""


def _label(tool: Mapping[str, Any], path: str) -> str:
    label = tool.get("server_label")
    if not isinstance(label, str) or not LABEL.fullmatch(label):
        raise _wrong(path, "server_label", "server_label has 1 to 64 characters of a-z A-Z 0-9 _ -, a letter first.")
    return label


def _url(tool: Mapping[str, Any], path: str) -> str:
    url = _text(tool, "server_url", path)
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise _wrong(path, "server_url", f"server_url must be an http or https URL of at most {MAX_URL} characters.")
    if parts.username is not None or parts.password is not None:
        raise _wrong(path, "server_url", "server_url can't hold a name or a password: use authorization or headers.")
    return url


def _headers(tool: Mapping[str, Any], path: str) -> Mapping[str, str]:
    headers = tool.get("headers") or {}
    if not isinstance(headers, dict) or len(headers) > MAX_HEADERS:
        raise _wrong(path, "headers", f"headers must be an object of at most {MAX_HEADERS} names and texts.")
    for name, value in headers.items():
        if not isinstance(value, str):
            raise _wrong(path, "headers", f"The header {name[:64]!r} must be a text.")
        if problem := header_problem(name, value):
            raise _wrong(path, "headers", f"A header can't be sent: {problem}.")
    token = _text(tool, "authorization", path)
    if not token:
        return MappingProxyType(dict(headers))
    if any(name.lower() == "authorization" for name in headers):
        raise _wrong(path, "authorization", "authorization and a header Authorization can't both be given.")
    if header_problem("Authorization", token) or token != token.strip():
        raise _wrong(path, "authorization", "authorization must be a token of printable ASCII, without 'Bearer'.")
    return MappingProxyType({**headers, "Authorization": f"Bearer {token}"})


def _allowed(tool: Mapping[str, Any], path: str) -> Filter:
    allowed = tool.get("allowed_tools")
    if allowed is None:
        return Filter()
    if isinstance(allowed, list):
        return Filter(names=_names(allowed, _at(path, "allowed_tools")))
    return _filter(allowed, _at(path, "allowed_tools"))


def _approval(tool: Mapping[str, Any], path: str) -> Approval:
    wanted = tool.get("require_approval")
    place = _at(path, "require_approval")
    if wanted is None or wanted == "always":
        return Approval()
    if wanted == "never":
        return Approval(never=Filter())
    if not isinstance(wanted, dict) or not wanted.keys() <= {"always", "never"}:
        raise _invalid("require_approval is always, never, or an object of filters under always and never.", place)
    found = {word: _filter(value, f"{place}.{word}") for word, value in wanted.items() if value is not None}
    return Approval(always=found.get("always"), never=found.get("never"))


def _filter(value: Any, place: str) -> Filter:
    if not isinstance(value, dict) or not value.keys() <= {"tool_names", "read_only"}:
        raise _invalid("A filter of tools is an object with tool_names, read_only or both.", place)
    names, read_only = value.get("tool_names"), value.get("read_only")
    if read_only is not None and not isinstance(read_only, bool):
        raise _invalid("read_only must be true or false.", f"{place}.read_only")
    return Filter(names=None if names is None else _names(names, f"{place}.tool_names"), read_only=read_only)


def _names(value: Any, place: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise _invalid("The names of tools are a list of texts.", place)
    return frozenset(value)


def _text(tool: Mapping[str, Any], name: str, path: str) -> str:
    value = tool.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(path, name, f"{name} must be a text.")
    return value


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, name: str, message: str) -> NodexaError:
    return _invalid(message, _at(path, name))


def _invalid(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)


_READ: Final = frozenset(
    {
        "type",
        "server_label",
        "server_url",
        "server_description",
        "headers",
        "authorization",
        "allowed_tools",
        "require_approval",
        "provider",
    }
)
_REFUSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connector_id": "there are no connectors here; give the server_url of an MCP server.",
        "tunnel_id": "there are no tunnels here; give the server_url of an MCP server.",
        "defer_loading": "all allowed tools are shown to the model; choose them with allowed_tools.",
        "allowed_callers": "only the model calls tools; leave it out.",
    }
)
