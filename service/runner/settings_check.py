"""What a request may ask for: ranges, tools, formats. Pure; every refusal names the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from nodexa.v1.response_pb2 import ResponseSettings

from service.errors import NodexaError
from service.runner.schema import schema_problem
from service.runner.schema_value import unchecked
from service.runner.tool_check import NAME, check_choice, check_tools

LOGPROBS: Final = "message.output_text.logprobs"
INCLUDED: Final = frozenset(
    {
        LOGPROBS,
        "reasoning.encrypted_content",
        # Images that came as a URL are kept as one, so they are always there.
        "message.input_image.image_url",
        "computer_call_output.output.image_url",
        "file_search_call.results",
    }
)
"""What `include` may ask for and gets."""
MAX_STOP: Final = 4
MAX_METADATA: Final = 16
MAX_IDENTIFIER: Final = 512
SERVICE_TIERS: Final = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
_RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "temperature": (0, 2),
        "top_p": (0, 1),
        "max_output_tokens": (1, 10_000_000),
        "max_tool_calls": (1, 10_000_000),
        "top_logprobs": (0, 20),
        "compact_threshold": (1000, 10_000_000),
    }
)


def check_settings(settings: ResponseSettings) -> None:
    """Raises NodexaError for the first thing in `settings` that can't be."""
    for check in _CHECKS:
        check(settings)


def _check_ranges(settings: ResponseSettings) -> None:
    for name, (low, high) in _RANGES.items():
        # Written so that NaN is out of range too.
        if settings.HasField(name) and not low <= getattr(settings, name) <= high:  # type: ignore[arg-type]
            raise _invalid(f"{name} must be between {low:g} and {high:g}.", name)
    if len(settings.stop) > MAX_STOP or not all(settings.stop):
        raise _invalid(f"stop takes at most {MAX_STOP} texts, none empty.", "stop")


def _check_texts(settings: ResponseSettings) -> None:
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if len(getattr(settings, name)) > MAX_IDENTIFIER:
            raise _invalid(f"{name} has at most {MAX_IDENTIFIER} characters.", name)
    if settings.HasField("service_tier") and settings.service_tier not in SERVICE_TIERS:
        raise _invalid(f"service_tier is one of {', '.join(SERVICE_TIERS)}.", "service_tier")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raises NodexaError `invalid_request` for notes that are too many or too long."""
    if len(metadata) > MAX_METADATA:
        raise _invalid(f"metadata takes at most {MAX_METADATA} pairs.", "metadata")
    for key, value in metadata.items():
        if not 1 <= len(key) <= 64 or len(value) > 512:
            raise _invalid("metadata keys have 1 to 64 characters and values at most 512.", "metadata")


def _check_text(settings: ResponseSettings) -> None:
    if not settings.text.format.HasField("json_schema"):
        return
    form = settings.text.format.json_schema
    if not NAME.fullmatch(form.name):
        raise _invalid("The format's name has 1 to 64 characters of a-z A-Z 0-9 _ -.", "text.format.name")
    problem = schema_problem(form.schema_json) or (unchecked(form.schema_json) if form.strict else "")
    if problem:
        raise _invalid(f"The schema of the format {problem}.", "text.format.schema")


def _check_storage(settings: ResponseSettings) -> None:
    if settings.background and settings.HasField("store") and not settings.store:
        raise _invalid("A background response must be stored: leave out store, or set it to true.", "background")
    if settings.top_logprobs and LOGPROBS not in settings.include:
        raise _invalid(f"top_logprobs needs {LOGPROBS!r} in include.", "top_logprobs")


def _invalid(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)


_CHECKS: Final[tuple[Callable[[ResponseSettings], None], ...]] = (
    _check_ranges,
    _check_texts,
    lambda settings: check_metadata(settings.metadata),
    check_tools,
    check_choice,
    _check_text,
    _check_storage,
)
