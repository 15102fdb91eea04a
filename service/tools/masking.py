"""Secrets that a server sends back, taken out of what anybody is told; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MASK: Final = "[redacted]"
_SHORTEST: Final = 6
_SHORTEST_HEADER: Final = 16
"""Of a header that may be no secret at all: what is shorter is a word that answers have in them anyway."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets; what is too short to be one stays."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """What of the headers of a request can be a secret, the longest first."""
    found = []
    for name, value in headers.items():
        if name.lower() == "authorization":
            found.append(value.removeprefix("Bearer "))
        elif len(value) >= _SHORTEST_HEADER:
            found.append(value)
    return sorted(found, key=len, reverse=True)
