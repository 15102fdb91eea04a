"""What goes wrong at Gemini → the error that callers get, in our words, never in Google's; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.model.chat_errors import WORD, RefusedError, refused, told

BAD_KEYS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"})
_SECONDS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


class AskFailedError(Exception):
    """Gemini gave no answer, or no whole one; `again` says that it may at the next try."""

    def __init__(self, error: NodexaError, *, again: bool) -> None:
        super().__init__(error.code)
        self.error = error
        self.again = again


def refusal(status: int, headers: Mapping[bytes, bytes], details: object, *, model: str, now: datetime) -> NodexaError:
    """Returns the error for an answer that is no success; `headers` have lower-case names, `details` is the body."""
    reasons = list(_reasons(details))
    if any(reason.get("reason") in BAD_KEYS for reason in reasons):
        message = (
            f"The server of model {model!r} refused our key (HTTP {status}). Check the variable that api_key_env names."
        )
        return RefusedError("upstream_auth_error", message, http_status=status, retry_after=None)
    waits = [str(reason["retryDelay"]) for reason in reasons if "retryDelay" in reason]
    if waits and (seconds := _SECONDS.fullmatch(waits[0])):
        headers = {b"retry-after": seconds[1].encode(), **headers}
    return refused(status, headers, orjson.dumps(details, default=str), model=model, now=now)


def failure(details: object, *, model: str) -> NodexaError:
    """Returns the error for an error object inside of an answer."""
    return told(_error(details) or details, model=model)


def garbled(model: str, what: str) -> NodexaError:
    """The answer is not what the form says; `what` completes "The server of model 'm' sent …"."""
    message = f"The server of model {model!r} sent {what}. Check that base_url points at Google's Gemini API."
    return NodexaError("upstream_protocol_error", message)


def log_word(details: object) -> str:
    """Returns what is safe to log of an error: its status, where that is a single word."""
    status = _error(details).get("status")
    return status if isinstance(status, str) and WORD.fullmatch(status) else "no status"


def _error(details: object) -> Mapping[str, Any]:
    if isinstance(details, list) and details:
        details = details[0]
    error = details.get("error", details) if isinstance(details, dict) else {}
    return error if isinstance(error, dict) else {}


def _reasons(details: object) -> Iterator[Mapping[str, Any]]:
    found = _error(details).get("details")
    if isinstance(found, list):
        yield from (reason for reason in found if isinstance(reason, dict))
