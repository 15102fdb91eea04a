"""Every error code of the HTTP side on one page: its status, its type, and the body and headers it is answered with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import orjson

STATUS_OF: Final[Mapping[str, int]] = MappingProxyType(
    {
        # who calls
        "missing_api_key": 401,
        "invalid_api_key": 401,
        "insufficient_scope": 403,
        "invalid_user_id": 400,
        "invalid_user_tokens": 400,
        # what is asked
        "invalid_request": 400,
        "missing_required_field": 400,
        "unsupported_parameter": 400,
        "invalid_model": 400,
        "invalid_input_type": 400,
        "missing_call_id": 400,
        "too_many_tools": 400,
        "duplicate_tool_name": 400,
        "invalid_tool_name": 400,
        "invalid_tool_schema": 400,
        "tool_not_supported_for_model": 400,
        "input_not_supported_for_model": 400,
        "invalid_encrypted_content": 400,
        "url_not_allowed": 400,
        "too_many_claims": 400,
        "claim_too_large": 400,
        "invalid_claim_key": 400,
        "request_too_large": 413,
        "rate_limit_exceeded": 429,
        # what it is asked of
        "assistant_not_found": 404,
        "response_not_found": 404,
        "conversation_not_found": 404,
        "item_not_found": 404,
        "tool_not_found": 404,
        "file_not_found": 404,
        "vector_store_not_found": 404,
        "file_batch_not_found": 404,
        "claim_not_found": 404,
        "memory_not_found": 404,
        "organization_not_found": 404,
        "api_key_not_found": 404,
        "model_not_found": 404,
        "model_already_exists": 409,
        "idempotency_key_reused": 409,
        "model_in_use": 409,
        "previous_response_not_found": 400,  # it is a field of the body that is wrong, not the address
        "previous_response_failed": 400,
        "response_not_ready": 409,
        "events_expired": 410,
        "vector_store_expired": 400,
        "conversation_locked": 409,
        "unknown_call_id": 400,
        "unknown_approval_request": 400,
        "missing_tool_output": 400,
        "context_length_exceeded": 400,
        "tokens_not_countable": 400,
        # the model server
        "upstream_auth_error": 502,
        "upstream_error": 502,
        "upstream_timeout": 504,
        "upstream_protocol_error": 502,
        "invalid_tool_call": 502,
        "invalid_output": 502,
        "tool_outcome_unknown": 502,
        # ourselves
        "storage_unavailable": 503,
        "server_draining": 503,
        "server_overloaded": 503,
        "server_error": 500,
        "internal_error": 500,
        # known to HTTP only
        "not_found": 404,
        "method_not_allowed": 405,
        "request_timeout": 408,
        "url_too_long": 414,
        "unsupported_media_type": 415,
        "request_head_too_large": 431,
        "service_unavailable": 503,
        "deadline_exceeded": 504,
        # known to WebSockets only
        "websocket_connection_limit_reached": 400,
    }
)
"""Error code → HTTP status."""

TYPE_OF: Final[Mapping[int, str]] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)
"""HTTP status → error type, where it is neither invalid_request_error (4xx) nor server_error (5xx)."""

NEVER_REPEATED: Final = frozenset({409, 500})
"""HTTP statuses that sending again doesn't mend: a conflict stays one, a bug too, and it may have struck late."""

DEFAULT_RETRY_AFTER: Final[float] = 1
"""Seconds to wait after a 503 that named none."""


class RequestError(Exception):
    """A request that gets an error, in words made for the caller.

    `status` is for codes that STATUS_OF does not know. `repeatable` False keeps clients from sending the request again
    by themselves: what it asked for may exist already, or asking again can't help. `headers` go into the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        repeatable: bool = True,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.status = STATUS_OF.get(code, status or 500)
        self.retry_after = DEFAULT_RETRY_AFTER if retry_after is None and self.status == 503 else retry_after
        self.repeatable = repeatable and self.status not in NEVER_REPEATED
        self.headers = headers


def internal(request_id: str) -> RequestError:
    """What a caller learns about a bug of ours: that there is one, and what to quote."""
    return RequestError("internal_error", f"Something went wrong on our side. Quote the request id {request_id}.")


def error_type(code: str, status: int | None = None) -> str:
    """The `type` word of an error code."""
    status = STATUS_OF.get(code, status or 500)
    return TYPE_OF.get(status, "server_error" if status >= 500 else "invalid_request_error")


def error_object(code: str, message: str, param: str, status: int | None = None) -> dict[str, str | None]:
    """The four members that every error has on the wire."""
    return {"message": message, "type": error_type(code, status), "param": param or None, "code": code}


def error_body(refusal: RequestError) -> bytes:
    """The JSON body of an error answer."""
    return orjson.dumps({"error": error_object(refusal.code, refusal.message, refusal.param, refusal.status)})


def error_headers(refusal: RequestError) -> list[tuple[bytes, bytes]]:
    """The headers that belong to an error, apart from its content's type and length."""
    headers = list(refusal.headers)
    if refusal.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(refusal.retry_after))))
    if not refusal.repeatable:
        # SDKs send a POST again by themselves after a 409, 429 or 5xx, and two runs would come of it.
        headers.append((b"x-should-retry", b"false"))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
