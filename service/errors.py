"""Every error of the core on one page: a code, its gRPC status, and the exception that carries it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self

STATUS_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        # who calls
        "missing_api_key": "UNAUTHENTICATED",
        "invalid_api_key": "UNAUTHENTICATED",
        "insufficient_scope": "PERMISSION_DENIED",
        "invalid_user_id": "INVALID_ARGUMENT",
        "invalid_user_tokens": "INVALID_ARGUMENT",
        # what is asked
        "invalid_request": "INVALID_ARGUMENT",
        "missing_required_field": "INVALID_ARGUMENT",
        "unsupported_parameter": "INVALID_ARGUMENT",
        "invalid_model": "INVALID_ARGUMENT",
        "invalid_input_type": "INVALID_ARGUMENT",
        "missing_call_id": "INVALID_ARGUMENT",
        "too_many_tools": "INVALID_ARGUMENT",
        "duplicate_tool_name": "INVALID_ARGUMENT",
        "invalid_tool_name": "INVALID_ARGUMENT",
        "invalid_tool_schema": "INVALID_ARGUMENT",
        "tool_not_supported_for_model": "INVALID_ARGUMENT",
        "input_not_supported_for_model": "INVALID_ARGUMENT",
        "invalid_encrypted_content": "INVALID_ARGUMENT",
        "url_not_allowed": "INVALID_ARGUMENT",
        "too_many_claims": "INVALID_ARGUMENT",
        "claim_too_large": "INVALID_ARGUMENT",
        "invalid_claim_key": "INVALID_ARGUMENT",
        "request_too_large": "RESOURCE_EXHAUSTED",
        "rate_limit_exceeded": "RESOURCE_EXHAUSTED",
        # what it is asked of
        "assistant_not_found": "NOT_FOUND",
        "response_not_found": "NOT_FOUND",
        "previous_response_not_found": "NOT_FOUND",
        "conversation_not_found": "NOT_FOUND",
        "item_not_found": "NOT_FOUND",
        "tool_not_found": "NOT_FOUND",
        "file_not_found": "NOT_FOUND",
        "vector_store_not_found": "NOT_FOUND",
        "file_batch_not_found": "NOT_FOUND",
        "claim_not_found": "NOT_FOUND",
        "memory_not_found": "NOT_FOUND",
        "organization_not_found": "NOT_FOUND",
        "api_key_not_found": "NOT_FOUND",
        "model_not_found": "NOT_FOUND",
        "model_already_exists": "ALREADY_EXISTS",
        "idempotency_key_reused": "ALREADY_EXISTS",
        "model_in_use": "FAILED_PRECONDITION",
        "previous_response_failed": "FAILED_PRECONDITION",
        "response_not_ready": "FAILED_PRECONDITION",
        "events_expired": "FAILED_PRECONDITION",
        "vector_store_expired": "FAILED_PRECONDITION",
        "conversation_locked": "ABORTED",
        "unknown_call_id": "FAILED_PRECONDITION",
        "missing_tool_output": "FAILED_PRECONDITION",
        "unknown_approval_request": "FAILED_PRECONDITION",
        "context_length_exceeded": "FAILED_PRECONDITION",
        "tokens_not_countable": "FAILED_PRECONDITION",
        # the model server
        "upstream_auth_error": "UNAVAILABLE",
        "upstream_error": "UNAVAILABLE",
        "upstream_timeout": "DEADLINE_EXCEEDED",
        "upstream_protocol_error": "UNKNOWN",
        "invalid_tool_call": "UNKNOWN",
        "invalid_output": "UNKNOWN",
        "tool_outcome_unknown": "UNKNOWN",
        # ourselves
        "not_found": "UNIMPLEMENTED",
        "storage_unavailable": "UNAVAILABLE",
        "server_draining": "UNAVAILABLE",
        "server_overloaded": "UNAVAILABLE",
        "server_error": "UNAVAILABLE",
        "internal_error": "INTERNAL",
    }
)
"""Error code → gRPC status name. `google.rpc.ErrorInfo.reason` is the code; callers act on the code."""


class NodexaError(Exception):
    """A refusal or failure that a caller is told about, in words made for them.

    `code` is a key of STATUS_OF; `param` names the request field at fault, empty where none is; `retry_after` is in
    seconds, None where nobody said; `response_id` is set once the response exists, so that no client repeats it.
    """

    def __init__(
        self, code: str, message: str, *, param: str = "", retry_after: float | None = None, response_id: str = ""
    ) -> None:
        super().__init__(message)
        self.status = STATUS_OF[code]
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.response_id = response_id

    def bare(self) -> Self:
        """This error, without all that it came through: for who keeps it, or gives it to those who do.

        It holds what was raised through, with whatever was read there; that often holds it, too, and then both stay
        until Python looks for garbage, which is seldom, and a request may have megabytes.
        """
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self
