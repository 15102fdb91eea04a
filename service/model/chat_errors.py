"""What goes wrong with a model server → the error that callers get, in our words; pure.

A server's own words are never passed on: they may hold prompts, addresses or secrets. They only help to tell apart what
the status alone does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from service.errors import NodexaError

# How servers say that the prompt is too long: OpenAI, vLLM, SGLang, llama.cpp, Ollama, TGI, Mistral, Gemini, Groq.
CONTEXT = re.compile(
    rb"context_length_exceeded|exceed_context_size|model_max_prompt_tokens_exceeded"
    rb"|maximum context length|max(?:imum)? model length|exceeds? the (?:available |maximum )?context"
    rb"|longer than the model'?s context|context (?:length|window|size) (?:is |was )?exceeded"
    rb"|exceeds?(?: the)?(?: model'?s)?(?: maximum)? context (?:length|window|size)"
    rb"|input token count .{0,40}exceeds|prompt is too long|prompt contains .{0,40}too large"
    rb"|reduce the length of the (?:messages|prompt|input)|inputs` tokens \+ `max_new_tokens",
    re.IGNORECASE,
)


class RefusedError(NodexaError):
    """The server answered with an HTTP status that is no success."""

    def __init__(self, code: str, message: str, *, http_status: int, retry_after: float | None) -> None:
        super().__init__(code, message, retry_after=retry_after)
        self.http_status = http_status


CONTEXT_STATUSES = frozenset({400, 413, 422, 500})
MAX_RETRY_AFTER = 86_400.0
WORD = re.compile(r"[a-z][a-z0-9_.\-]{0,63}", re.IGNORECASE)


def refused(status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, now: datetime) -> NodexaError:
    """Returns the error for an HTTP answer that is no success; `headers` have lower-case names."""
    if status in CONTEXT_STATUSES and CONTEXT.search(body):
        return too_long(model)
    retry_after = retry_after_seconds(headers, now=now)
    if status == 429 and b'"insufficient_quota"' in body:
        status = 402
    if status == 429:
        return throttled(model, retry_after)
    code, message = STATUSES.get(status, STATUSES[status // 100 * 100] if 300 <= status < 600 else STATUSES[0])
    message = message.format(model=model, status=status)
    return RefusedError(code, message, http_status=status, retry_after=retry_after)


def told(error: object, *, model: str) -> NodexaError:
    """Returns the error for an error object that came inside a successful answer."""
    words = orjson.dumps(error, default=str)
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
    if CONTEXT.search(words):
        return too_long(model)
    if 429 in (fields.get("code"), fields.get("status")) or b"rate_limit" in words:
        return throttled(model, None)
    return NodexaError(
        "upstream_error",
        f"The server of model {model!r} reported an error while answering. Try again; its log says why.",
    )


def throttled(model: str, retry_after: float | None) -> NodexaError:
    """The server takes no more requests for now."""
    return NodexaError(
        "rate_limit_exceeded", f"The server of model {model!r} is throttling. Try again later.", retry_after=retry_after
    )


def too_long(model: str) -> NodexaError:
    """The prompt does not fit."""
    return NodexaError(
        "context_length_exceeded",
        f"The conversation is longer than the context window of model {model!r}. Send less, or start a new one.",
        param="input",
    )


def garbled(model: str, what: str) -> NodexaError:
    """The answer is not what the form says; `what` completes "The server of model 'm' sent …"."""
    return NodexaError(
        "upstream_protocol_error",
        f"The server of model {model!r} sent {what}. Check that base_url points at a server of its kind.",
    )


def broken(model: str, what: str) -> NodexaError:
    """The connection failed; `what` completes "The server of model 'm' …"."""
    return NodexaError("upstream_error", f"The server of model {model!r} {what}.")


def stalled(model: str, what: str) -> NodexaError:
    """Time ran out; `what` completes "The server of model 'm' …"."""
    return NodexaError("upstream_timeout", f"The server of model {model!r} {what}. Try again later.")


def retry_after_seconds(headers: Mapping[bytes, bytes], *, now: datetime) -> float | None:
    """Returns what `retry-after-ms` or `retry-after` (seconds or a date) says; None where that is nothing usable."""
    try:
        if milliseconds := headers.get(b"retry-after-ms"):
            return _bounded(float(milliseconds) / 1000)
        value = headers.get(b"retry-after", b"").decode("latin-1").strip()
        if not value:
            return None
        if value[0].isdecimal():
            return _bounded(float(value))
        date = parsedate_to_datetime(value)
        return _bounded((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
    except ValueError:
        return None


def log_words(body: bytes) -> str:
    """Returns what is safe to log of an error body: its type, code and param, where they are single words."""
    try:
        value = orjson.loads(body)
    except ValueError:
        return "no JSON"
    error = value.get("error", value) if isinstance(value, dict) else value
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
    words = ((key, fields.get(key)) for key in ("type", "code", "param"))
    return " ".join(f"{key}={word}" for key, word in words if isinstance(word, str) and WORD.fullmatch(word))


def _bounded(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER)


STATUSES: Mapping[int, tuple[str, str]] = {
    0: ("upstream_protocol_error", "The server of model {model!r} answered with the odd HTTP status {status}."),
    300: (
        "upstream_error",
        "The server of model {model!r} redirects (HTTP {status}), which we don't follow. Set base_url to its target.",
    ),
    400: (
        "upstream_error",
        "The server of model {model!r} refused the request (HTTP {status}). It may not know one of its settings.",
    ),
    401: (
        "upstream_auth_error",
        "The server of model {model!r} refused our key (HTTP {status}). Check the variable that api_key_env names.",
    ),
    402: ("upstream_error", "The account behind model {model!r} can't pay for the request (HTTP {status})."),
    403: (
        "upstream_auth_error",
        "The server of model {model!r} refused our key (HTTP {status}). Check what that key may use.",
    ),
    404: (
        "upstream_error",
        "The server of model {model!r} knows no such model or path (HTTP {status}). Check base_url and upstream_model.",
    ),
    500: ("upstream_error", "The server of model {model!r} failed (HTTP {status}). Try again later."),
    504: ("upstream_error", "The server of model {model!r} gave up waiting (HTTP {status}). Try again later."),
}
