"""Reads a request's body: JSON only, within a size and a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from rest_bridge.errors import RequestError
from rest_bridge.hearing import heard_within
from rest_bridge.presence import ClientLeft, Receive

CLOSE: Final = ((b"connection", b"close"),)
"""Goes with a refusal of a body that was not read: what is left of it must not be taken for the next request."""
BODY_KEY: Final = "nodexa.body"
"""Where the server puts the body of a request in its ASGI scope, if all of it came with the head."""
LINGER_SECONDS: Final = 2
LINGER_TIMES: Final = 4
"""A body that is refused is still swallowed for a while: a client that can't write on may never read the answer."""


async def read_json_body(
    receive: Receive,
    headers: Mapping[str, str],
    *,
    max_bytes: int,
    timeout_seconds: float,
    at_hand: bytes | None = None,
) -> bytes:
    """The body, `at_hand` where that is there. Raises RequestError: unsupported_media_type, request_too_large,
    request_timeout; ClientLeft.
    """
    refusal = _wrong_type(headers)
    if refusal is not None:
        await swallow(receive, headers, LINGER_TIMES * max_bytes)
        raise refusal
    if at_hand is not None and len(at_hand) <= max_bytes:
        return at_hand
    try:
        async with heard_within(timeout_seconds):
            return await _read(receive, headers, max_bytes=max_bytes)
    except TimeoutError:
        raise RequestError(
            "request_timeout", f"The body did not arrive within {timeout_seconds:g} seconds.", headers=CLOSE
        ) from None


def _wrong_type(headers: Mapping[str, str]) -> RequestError | None:
    if headers.get("content-type") == "application/json" and "content-encoding" not in headers:  # As nearly always.
        return None
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if media_type.strip() != "application/json" or charset not in ("", "utf-8"):
        return _unsupported("Send the body as JSON, with the header Content-Type: application/json.")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        return _unsupported("Send the body uncompressed, without Content-Encoding.")
    return None


async def _read(receive: Receive, headers: Mapping[str, str], *, max_bytes: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        await swallow(receive, headers, LINGER_TIMES * max_bytes)
        raise too_large(max_bytes)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        chunk, more = await read_chunk(receive)
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            await swallow(receive, {}, LINGER_TIMES * max_bytes)
            raise too_large(max_bytes)
    return b"".join(chunks)


async def read_chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next bytes, and whether more come. Raises ClientLeft."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    return message.get("body", b""), message.get("more_body", False)


async def swallow(receive: Receive, headers: Mapping[str, str], max_bytes: int) -> None:
    """Reads on for a while, for nobody."""
    if headers.get("expect", "").lower() == "100-continue":
        return
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            more = True
            while more and max_bytes > 0:
                chunk, more = await read_chunk(receive)
                max_bytes -= len(chunk)
    except TimeoutError:
        return


def _unsupported(message: str) -> RequestError:
    return RequestError("unsupported_media_type", message, headers=CLOSE)


def too_large(max_bytes: int) -> RequestError:
    """The refusal of a body that is too long."""
    return RequestError("request_too_large", f"The body has more than {max_bytes} bytes.", headers=CLOSE)
