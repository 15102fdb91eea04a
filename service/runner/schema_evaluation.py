"""What the rules of JSON Schema work with; whatever costs time is paid for in steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import re2

Where: TypeAlias = "tuple[Where, str | int] | None"
"""The way to a place in the value, the last step first; None is the value itself."""

MAX_PATTERN_MEMORY: Final = 1024 * 1024


class TooMuchError(Exception):
    """Knowing takes more steps than were allowed."""


class Evaluation(Protocol):
    """What a rule needs of the evaluation that it is part of."""

    def spend(self, steps: int) -> None:
        """Pays for work. Raises TooMuchError."""

    def problem(self, schema: Any, value: Any, where: Where) -> str:
        """What is wrong with a value by another schema."""

    def target(self, reference: str) -> Any:
        """The schema that a reference names."""


def kind_of(value: Any) -> str:
    """The kind of a JSON value: `object`, `array`, `string`, `number`, `boolean` or `null`."""
    return _KINDS[type(value)]


_KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A pattern that takes time in proportion to the text, whoever wrote it. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    return re2.compile(pattern, options)


def matches(run: Evaluation, pattern: str, text: str) -> bool:
    """Whether a pattern is found in the text. Raises TooMuchError."""
    expression = compiled(pattern)
    run.spend(len(text) * expression.programsize // 512)
    # A lone surrogate is JSON, but no text.
    return expression.search(text.encode(errors="replace").decode()) is not None


def canonical(run: Evaluation, value: Any) -> str:
    """A text that is the same for values that JSON Schema takes for equal, and for no others. Raises TooMuchError."""
    text = json.dumps(value, sort_keys=True)
    run.spend(len(text) // 64)
    return text


def first_problem(problems: Iterable[str]) -> str:
    """The first that is one; empty for none. Those behind it are not looked for."""
    return next(filter(None, problems), "")
