"""The endpoints that describe all others. They need no key."""

from __future__ import annotations

from typing import Final

from rest_bridge.openapi.document import text
from rest_bridge.openapi.page import page
from rest_bridge.routes.call import JSON, Answer, Call

_CACHED: Final = (b"cache-control", b"public, max-age=300")


async def describe(call: Call) -> Answer:
    """GET /openapi.json."""
    return Answer(200, text(), (*JSON, _CACHED))


async def show(call: Call) -> Answer:
    """GET /docs."""
    body, policy = page()
    headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        _CACHED,
    )
    return Answer(200, body, headers)


async def lead(call: Call) -> Answer:
    """GET /: people who open the address in a browser want to read."""
    return Answer(307, headers=((b"location", b"/docs"),))
