"""Request headers → gRPC metadata and request fields. Values of credentials and tokens are never repeated to anyone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from rest_bridge.errors import RequestError

RawHeaders = Iterable[tuple[bytes, bytes]]
Metadata = tuple[tuple[str, str], ...]
HEAD_KEY: Final = "nodexa.head"
"""Where the server puts a Head that it knows in the ASGI scope of a request."""

MAX_USER_ID: Final = 256
MAX_USER_TOKENS: Final = 8 * 1024
_CREDENTIALS: Final = (b"authorization", b"x-api-key")
_HEEDED: Final = frozenset({*_CREDENTIALS, b"x-user-id", b"x-nodexa-dialect"})
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*")
_COUNT: Final = re.compile(r"[0-9]{1,3}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_DIALECTS: Final = (b"openai", b"nodexa")
_WITHOUT_EFFECT: Final = ("idempotency-key",)
LONGEST_KEY: Final = 255


def named(headers: RawHeaders) -> dict[str, str]:
    """The headers by lowercase name; of one that is sent twice, the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


class Head:
    """The headers of a request, looked at once for all requests of a connection that share them."""

    __slots__ = ("_metadata", "_raw", "named")

    def __init__(self, raw: RawHeaders) -> None:
        self.named = named(raw)
        self._raw = raw
        self._metadata: Metadata | None = None

    def metadata(self, request_id: str) -> Metadata:
        """What travels beside a gRPC request. Raises as the function of that name."""
        if self._metadata is None:
            self._metadata = metadata(self._raw)
        return (*self._metadata, ("x-request-id", request_id))


def request_id(headers: Mapping[str, str], *, fresh: Callable[[], str]) -> str:
    """The client's own request id where it is harmless, else a `fresh` one."""
    given = headers.get("x-request-id")
    return given if given and _REQUEST_ID.fullmatch(given) else fresh()


def retry_count(headers: Mapping[str, str]) -> int:
    """How often an SDK of OpenAI has sent this request before; 0 where nobody says."""
    given = headers.get("x-stainless-retry-count", "")
    return int(given) if _COUNT.fullmatch(given) else 0


def metadata(headers: RawHeaders) -> Metadata:
    """What travels beside a gRPC request, but for its id: credentials, the end user.

    Raises RequestError: missing_api_key, invalid_api_key, invalid_user_id, invalid_request for an unknown dialect.
    Whether a key is good, the core says.
    """
    found: dict[str, str] = {}
    user_ids: set[bytes] = set()
    for name, value in headers:
        if name not in _HEEDED:
            continue
        if name in _CREDENTIALS:
            # gRPC's metadata is ASCII, and there one of two values would be lost.
            if not _PRINTABLE.fullmatch(value) or found.setdefault(name.decode(), value.decode()) != value.decode():
                raise RequestError("invalid_api_key", "The API key is not valid.")
        elif name == b"x-user-id":
            user_ids.add(value)
        elif name == b"x-nodexa-dialect" and value not in _DIALECTS:
            raise RequestError(
                "invalid_request", "The header x-nodexa-dialect is openai or nodexa.", param="x-nodexa-dialect"
            )
    if not found:
        raise RequestError(
            "missing_api_key", "Send an API key: the header x-api-key: nxk_… or Authorization: Bearer nxk_…"
        )
    if user_ids:
        found["x-user-id"] = _user_id(user_ids)
    return tuple(found.items())


def user_tokens(headers: Mapping[str, str]) -> dict[str, str]:
    """The end user's tokens by provider, from `x-user-tokens`. Raises RequestError(invalid_user_tokens)."""
    text = headers.get("x-user-tokens")
    if text is None:
        return {}
    if len(text) > MAX_USER_TOKENS:
        raise _bad_tokens(f"is longer than {MAX_USER_TOKENS} bytes")
    try:
        tokens: Any = orjson.loads(text.encode("latin-1"))
    except orjson.JSONDecodeError:
        raise _bad_tokens("is not valid JSON") from None
    if not isinstance(tokens, dict) or not all(isinstance(token, str) for token in tokens.values()):
        raise _bad_tokens("must be a JSON object of texts")
    return tokens


def idempotency_key(headers: Mapping[str, str]) -> str:
    """The sender's own id of the request, empty for none. Raises RequestError(invalid_request)."""
    given = headers.get("idempotency-key")
    if given is None:
        return ""
    if not 0 < len(given) <= LONGEST_KEY or not _PRINTABLE.fullmatch(given.encode("latin-1")):
        raise RequestError(
            "invalid_request",
            f"The header Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.",
            param="Idempotency-Key",
        )
    return given


def without_effect(headers: Mapping[str, str]) -> list[str]:
    """The headers that mean nothing for a WebSocket, which carries many requests."""
    return [name for name in _WITHOUT_EFFECT if name in headers]


def _user_id(values: set[bytes]) -> str:
    if len(values) > 1:
        raise _bad_user_id("is sent twice with different values")
    (value,) = values
    if not value.strip():
        raise _bad_user_id("is empty")
    if len(value) > MAX_USER_ID:
        raise _bad_user_id(f"has more than {MAX_USER_ID} characters")
    if not _PRINTABLE.fullmatch(value):
        raise _bad_user_id("has characters that are not printable ASCII")
    return value.decode()


def _bad_user_id(complaint: str) -> RequestError:
    return RequestError("invalid_user_id", f"The header x-user-id {complaint}.", param="x-user-id")


def _bad_tokens(complaint: str) -> RequestError:
    return RequestError("invalid_user_tokens", f"The header x-user-tokens {complaint}.", param="x-user-tokens")
