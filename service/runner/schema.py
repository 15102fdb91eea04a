"""Whether a JSON Schema from a caller is one that we can work with; nothing is ever fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

MAX_BYTES: Final = 256 * 1024


@lru_cache(maxsize=4096)
def schema_problem(text: str) -> str:
    """What is wrong with the JSON Schema in `text`, as the rest of a sentence about it; empty when nothing is."""
    if len(text.encode()) > MAX_BYTES:
        return f"is over {MAX_BYTES // 1024} kB"
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(schema, dict):
        return "must be a JSON object"
    try:
        Draft202012Validator.check_schema(schema)
        references = {id(node): node["$ref"] for node in _nodes(schema) if isinstance(node.get("$ref"), str)}
    except SchemaError as error:
        return f"is not JSON Schema: at {error.json_path}"
    except RecursionError:
        return "is nested too deeply"
    return next(filter(None, (_reference_problem(schema, target) for target in references.values())), "")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(child)


def _reference_problem(schema: dict[str, Any], reference: str) -> str:
    """Follows `reference` while it leads only to another one; a recursive schema that has something between is fine."""
    seen: set[str] = set()
    while True:
        if not reference.startswith("#"):
            return f"points elsewhere: {reference[:80]!r}; only references that start with # are followed"
        if reference in seen:
            return f"refers to itself in a loop: {reference[:80]!r}"
        seen.add(reference)
        target = _resolve(schema, reference)
        if target is None:
            return f"refers to nothing: {reference[:80]!r}"
        following = target.get("$ref") if isinstance(target, dict) else None
        if not isinstance(following, str):
            return ""
        reference = following


def _resolve(schema: dict[str, Any], reference: str) -> Any:
    """What a JSON Pointer (RFC 6901) in fragment form names, or what carries that $anchor; None for nothing."""
    fragment = reference[1:]
    if fragment and not fragment.startswith("/"):
        return next((node for node in _nodes(schema) if node.get("$anchor") == fragment), None)
    found: Any = schema
    for token in fragment.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found
