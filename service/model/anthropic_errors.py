"""What goes wrong with Anthropic's API → the error that callers get, in our words; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.model.chat_errors import STATUSES, RefusedError, refused, throttled, told, too_long

PROMPT_TOO_LONG: Final = re.compile(rb"prompt is too long|exceed(?:s|ed)? (?:the )?context limit|request_too_large")
ENDS_WITH_ASSISTANT: Final = re.compile(rb"prefill|must end with a user message", re.IGNORECASE)
OVERLOADED: Final = 529


def status_error(status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, now: datetime) -> NodexaError:
    """Returns the error for an HTTP answer that is no success; `headers` have lower-case names."""
    if status in (400, 413) and PROMPT_TOO_LONG.search(body):
        return too_long(model)
    if status == 400 and ENDS_WITH_ASSISTANT.search(body):
        return NodexaError(
            "input_not_supported_for_model",
            f"The model {model!r} doesn't go on with an answer that was begun: end the input with a user's message.",
            param="input",
        )
    error = refused(status, headers, body, model=model, now=now)
    if status == OVERLOADED and isinstance(error, RefusedError):
        return RefusedError(
            "upstream_error", _OVERLOADED.format(model=model), http_status=status, retry_after=error.retry_after
        )
    return error


def stream_error(error: object, *, model: str) -> NodexaError:
    """Returns the error for an error that came inside an answer that had begun."""
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
    words = orjson.dumps(error, default=str)
    if PROMPT_TOO_LONG.search(words):
        return too_long(model)
    kind = fields.get("type")
    if kind == "rate_limit_error":
        return throttled(model, None)
    status = KINDS.get(kind) if isinstance(kind, str) else None
    if kind == "overloaded_error":
        return NodexaError("upstream_error", _OVERLOADED.format(model=model))
    if status is None:
        return told(error, model=model)
    code, message = STATUSES[status]
    return NodexaError(code, message.format(model=model, status=status))


def garbled(model: str, what: str) -> NodexaError:
    """The answer is not what the API says; `what` completes "The server of model 'm' sent …"."""
    return NodexaError(
        "upstream_protocol_error",
        f"The server of model {model!r} sent {what}. Check that base_url points at Anthropic's Messages API.",
    )


_OVERLOADED: Final = "The server of model {model!r} is overloaded. Try again later."
KINDS: Final[Mapping[str, int]] = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "timeout_error": 504,
}
"""The API's word for an error → the HTTP status that it would have been."""
