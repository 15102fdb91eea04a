"""Where an MCP server is: behind a URL, or a program of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.tools.tool import CALL_SECONDS


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server behind a URL, with the headers that it and nobody else is sent."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    seconds: float = CALL_SECONDS
    """How long a call may take."""


@dataclass(frozen=True, slots=True)
class Program:
    """A server that is a program of this machine. Of our environment it sees `environment` and a few common names."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    seconds: float = CALL_SECONDS
    """How long a call may take."""
