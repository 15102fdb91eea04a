"""Whether a JSON value obeys a JSON Schema, in bounded time whatever the two are; pure.

The schema has passed `schema_problem` and is read as there: the drafts 4 to 2020-12 together, references from the root.
`format` promises nothing about a value, as in the newest draft.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NoReturn
from urllib.parse import unquote

import re2

from service.runner.schema import pointed_at
from service.runner.schema_evaluation import TooMuchError, Where, compiled, kind_of
from service.runner.schema_rules import RULES, UNCHECKED, Rule
from service.runner.schema_words import ANCHORS, children

_CACHED_CHARACTERS: Final = 8 * 1024


class Form:
    """A schema ready for use."""

    def __init__(self, schema_json: str) -> None:
        self._root: dict[str, Any] = _parsed(schema_json)
        self._anchors = {schema[word]: schema for schema in _schemas(self._root) for word in ANCHORS if word in schema}

    def problem(self, text: str, *, steps: int) -> str:
        """What is wrong with the JSON `text`, as the rest of a sentence about it; empty when nothing is.

        Raises TooMuchError when more than `steps` steps, of a microsecond or so each, would be needed to know.
        """
        try:
            value = _parsed(text)
            found = _Evaluation(self._root, self._anchors, steps - len(text) // 64).problem(self._root, value, None)
        except RecursionError:
            return "it is nested too deeply"
        except ValueError:
            return "it is not JSON"
        return found


def form_of(schema_json: str) -> Form:
    """The schema ready for use; small ones are kept."""
    return _cached(schema_json) if len(schema_json) <= _CACHED_CHARACTERS else Form(schema_json)


def unchecked(schema_json: str) -> str:
    """What in a schema no answer can be checked against, as the rest of a sentence about it; empty for nothing."""
    for schema in _schemas(_parsed(schema_json)):
        for word in schema.keys() & UNCHECKED:
            return f"is strict and has {word!r}, which can't be checked here: leave it out, or leave out strict"
        for pattern in (schema.get("pattern", ""), *schema.get("patternProperties", ())):
            try:
                compiled(pattern)
            except re2.error:
                return (
                    f"is strict and has a pattern that can't be checked here: {pattern[:80]!r}; "
                    "write it without look-around and back-references, or leave out strict"
                )
    return ""


@lru_cache(maxsize=512)
def _cached(schema_json: str) -> Form:
    return Form(schema_json)


class _Evaluation:
    """One value held against one schema."""

    def __init__(self, root: dict[str, Any], anchors: dict[str, Any], steps: int) -> None:
        self._root = root
        self._anchors = anchors
        self._left = steps

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise TooMuchError

    def problem(self, schema: Any, value: Any, where: Where) -> str:
        if isinstance(schema, bool):
            return "" if schema else f"{_written(where)} must not be there"
        self.spend(1 + len(schema))
        kind = kind_of(value)
        for word, argument in schema.items():
            known: Rule | None = RULES.get(word)
            if known is not None and known.kind in (kind, ""):
                found = known.problem(self, argument, value, schema, where)
                if found:
                    return found if found.startswith("$") else f"{_written(where)} {found}"
        return ""

    def target(self, reference: str) -> Any:
        """The schema that a reference names."""
        fragment = unquote(reference[1:])
        return pointed_at(self._root, fragment) if fragment[:1] in ("", "/") else self._anchors[fragment]


def _schemas(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    pending = [root]
    while pending:
        schema = pending.pop()
        yield schema
        pending += [child for word, value in schema.items() for _, child in children(word, value)]


def _parsed(text: str) -> Any:
    """The value; a whole number is an integer however it's written. Raises ValueError."""
    return json.loads(text, parse_constant=_refuse, parse_float=_number)


def _number(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text)
    return int(value) if value.is_integer() else value


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _written(where: Where) -> str:
    steps = []
    while where is not None:
        where, key = where
        steps.append(f"[{key}]" if isinstance(key, int) else f".{key[:64]}")
    return "$" + "".join(reversed(steps[:16])) + (" (deep inside)" if len(steps) > 16 else "")
