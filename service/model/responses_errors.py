"""What a Responses server says went wrong in the middle → the error that callers get, in our words; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from service.errors import NodexaError
from service.model.chat_errors import throttled, told

_AGAIN: Final = re.compile(r"try again in ([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(ms|s)\b", re.IGNORECASE)
_IMAGES: Final = re.compile(r"(?:invalid|unsupported|empty|failed)_(?:\w+_)?(?:image|base64)\w*|image_\w+")
_CODES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "insufficient_quota": ("upstream_error", "The account behind model {model!r} can't pay for the request.", ""),
        "invalid_prompt": (
            "invalid_request",
            "The server of model {model!r} refused the prompt by its own rules. Write it in another way.",
            "input",
        ),
    }
)


def failure(error: object, *, model: str) -> NodexaError:
    """Returns the error for what an `error` event or a failed response holds."""
    fields: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code = str(fields.get("code") or "")
    if code == "rate_limit_exceeded":
        return throttled(model, _wait(str(fields.get("message") or "")))
    if code in _CODES:
        ours, message, param = _CODES[code]
        return NodexaError(ours, message.format(model=model), param=param)
    if _IMAGES.fullmatch(code):
        message = f"The server of model {model!r} can't read an image of the input. Send another, or none."
        return NodexaError("input_not_supported_for_model", message, param="input")
    return told(error, model=model)


def _wait(message: str) -> float | None:
    """Returns the seconds that the words say."""
    found = _AGAIN.search(message)
    if found is None:
        return None
    return float(found[1]) / (1000 if found[2].lower() == "ms" else 1)
