"""What the operator can set about the bridge: limits and times, each with the environment variable that sets it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

PREFIX = "NODEXA_BRIDGE_"


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Limits in bytes, times in seconds. `max_body_bytes` is set by NODEXA_BRIDGE_MAX_BODY_BYTES, and so on."""

    max_body_bytes: int = 8 * 1024 * 1024
    """The largest request body, or message of a WebSocket; more gets a 413."""
    max_upload_bytes: int = 64 * 1024 * 1024
    """The largest request that uploads a file; more gets a 413."""
    max_head_bytes: int = 16 * 1024
    """The largest request head, request line included; more gets a 431."""
    max_url_bytes: int = 8 * 1024
    """The longest URL; more gets a 414."""
    max_headers: int = 100
    """The most header fields; more get a 431."""
    max_connections: int = 20_000
    """The most open connections, WebSockets included; requests on more get a 503, those of probes excepted."""
    head_seconds: float = 10
    """How long a client may take to send a request's head, and before that for its part of a TLS handshake."""
    body_seconds: float = 30
    """How long a client may take to send a request's body."""
    upload_seconds: float = 600
    """How long a client may take to upload a file."""
    keep_alive_seconds: float = 65
    """How long an idle connection stays open."""
    heartbeat_seconds: float = 15
    """After how much silence a stream gets a comment; how often a WebSocket gets a ping, and how long it may take."""
    socket_seconds: float = 3600
    """How long a WebSocket takes new requests."""
    unary_seconds: float = 30
    """How long the core may take to read or delete something."""
    create_seconds: float = 3600
    """How long the core may take to answer a POST that does not stream."""
    patience_seconds: float = 15
    """How long a stream waits for a lost core before it is given up."""
    opening_seconds: float = 5
    """How long a stream's head is held back for its first event, so that an early failure has an HTTP status."""
    drain_seconds: float = 10
    """How long open streams go on after SIGTERM."""
    stop_seconds: float = 25
    """How long anything goes on after SIGTERM."""
    access_log: bool = False
    """Whether every answer is logged; those of 500 and above always are."""


def settings_from(environ: Mapping[str, str]) -> Settings:
    """The defaults, changed by the NODEXA_BRIDGE_… variables. Raises ValueError for one that can't be read."""
    changes: dict[str, int | float | bool] = {}
    for field in dataclasses.fields(Settings):
        name = PREFIX + field.name.upper()
        if text := environ.get(name, "").strip():
            changes[field.name] = _read(name, text, kind=type(field.default))
    return Settings(**changes)  # type: ignore[arg-type]


def _read(name: str, text: str, *, kind: type) -> int | float | bool:
    try:
        if kind is bool:
            return {"0": False, "1": True, "false": False, "true": True}[text.lower()]
        number = int(text) if kind is int and name.endswith(("_BYTES", "_HEADERS", "_CONNECTIONS")) else float(text)
    except (KeyError, ValueError):
        raise ValueError(f"{name} must be {'true or false' if kind is bool else 'a number'}.") from None
    if not 0 < number < 1e9:
        raise ValueError(f"{name} must be above 0.")
    return number
