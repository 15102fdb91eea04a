"""Whether a JSON Schema from a caller is one that we can work with; nothing is ever fetched.

The time it takes grows with the length of the schema and no faster: whoever may send one may send a hostile one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NoReturn
from urllib.parse import unquote

from service.runner.schema_words import ANCHORS, CHECKS, REFERENCES, SAME_VALUE, Key, children, is_schema

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
_CACHED_CHARACTERS: Final = 8 * 1024

Schema = dict[str, Any]
_Path = tuple[Key, ...]


class _ProblemError(Exception):
    """What is wrong, as the rest of a sentence about the schema."""


def schema_problem(text: str) -> str:
    """What is wrong with the JSON Schema in `text`, as the rest of a sentence about it; empty when nothing is."""
    return _cached(text) if len(text) <= _CACHED_CHARACTERS else _examined(text)


@lru_cache(maxsize=4096)
def _cached(text: str) -> str:
    return _examined(text)


def _examined(text: str) -> str:
    if len(text.encode()) > MAX_BYTES:
        return f"is over {MAX_BYTES // 1024} kB"
    try:
        schema = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        return "is nested too deeply"
    except ValueError:
        return "is not JSON"
    if not isinstance(schema, dict):
        return "must be a JSON object"
    try:
        _Examination(schema).run()
    except _ProblemError as problem:
        return str(problem)
    return ""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_constant(text)


@dataclass(slots=True)
class _Examination:
    """One walk through a schema. `applied` are, by id, the schemas that each one applies to its own value."""

    root: Schema
    applied: dict[int, list[Schema]] = field(default_factory=dict)
    anchors: dict[str, Schema] = field(default_factory=dict)
    references: list[tuple[Schema, str]] = field(default_factory=list)

    def run(self) -> None:
        """Raises _ProblemError."""
        self._walk(self.root)
        # What a reference points at need not stand where schemas are found, so it is walked when it is met.
        while self.references:
            schema, reference = self.references.pop()
            target = self._resolve(reference)
            if isinstance(target, dict):
                self._walk(target)
                self.applied[id(schema)].append(target)
        self._expect_no_loop()

    def _walk(self, start: Schema) -> None:
        pending: list[tuple[Schema, _Path]] = [(start, ())]
        while pending:
            schema, path = pending.pop()
            if id(schema) in self.applied:
                continue
            if len(path) > MAX_DEPTH:
                raise _ProblemError("is nested too deeply")
            self.applied[id(schema)] = []
            for word, value in schema.items():
                if word in CHECKS and not CHECKS[word](value):
                    raise _ProblemError(f"is not JSON Schema: at {_written((*path, word))}")
                for steps, child in children(word, value):
                    pending.append((child, (*path, *steps)))
                    if word in SAME_VALUE:
                        self.applied[id(schema)].append(child)
            self.references += [(schema, schema[word]) for word in REFERENCES if word in schema]
            self.anchors.update((schema[word], schema) for word in ANCHORS if word in schema)

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise _ProblemError(f"points elsewhere: {reference[:80]!r}; only references that start with # are followed")
        fragment = unquote(reference[1:])
        target = self.anchors.get(fragment) if fragment[:1] not in ("", "/") else pointed_at(self.root, fragment)
        if not is_schema(target):
            raise _ProblemError(f"refers to nothing: {reference[:80]!r}")
        return target

    def _expect_no_loop(self) -> None:
        """A schema that leads back to itself without a step into the value would be applied for ever."""
        done: set[int] = set()
        for start in self.applied:
            path = [] if start in done else [(start, iter(self.applied[start]))]
            on_path = {start}
            while path:
                current, successors = path[-1]
                following = id(next(successors, None))
                if following not in self.applied:
                    path.pop()
                    on_path.discard(current)
                    done.add(current)
                elif following in on_path:
                    raise _ProblemError("refers to itself in a loop, without a step into the value")
                elif following not in done:
                    path.append((following, iter(self.applied[following])))
                    on_path.add(following)


def pointed_at(root: Any, pointer: str) -> Any:
    """What a JSON Pointer (RFC 6901) names; None for nothing."""
    found = root
    for token in pointer.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and len(step) < 9 and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _written(path: _Path) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step[:64]}" for step in path)
