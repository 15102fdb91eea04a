"""JSON Schemas in the narrower form that Anthropic's models can be held to; pure.

What the form lacks (bounds, patterns, lengths) is told to the model in the description; the answer is checked against
the whole schema elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

Schema = dict[str, Any]

KEPT: Final = frozenset({"type", "enum", "const", "title", "description", "default", "$ref", "required"})
NAMED: Final = frozenset({"properties", "$defs", "definitions"})
LISTED: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
SILENT: Final = frozenset({"additionalProperties", "$schema", "$id", "$comment"})
SAYING: Final = frozenset({"type", "enum", "const", "anyOf", "allOf", "$ref"})
FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


def narrowed(schema_json: str) -> Schema | None:
    """Returns the schema in that form; None where it has none: open objects, values of any kind, recursion."""
    try:
        schema = orjson.loads(schema_json)
        return None if _recurs(schema) else _narrow(schema)
    except ValueError:
        return None


def _narrow(schema: Any) -> Schema:
    if not isinstance(schema, dict):
        raise ValueError("true or false")
    told: list[str] = []
    narrow: Schema = {}
    for key, value in schema.items():
        narrow |= _narrow_key(key, value, told)
    if not SAYING & narrow.keys():
        raise ValueError("a value of any kind")
    if "properties" in schema or "object" in _types(schema):
        if schema.get("additionalProperties", False) is not False and not schema.get("properties"):
            raise ValueError("an open object")
        narrow.setdefault("properties", {})
        narrow["additionalProperties"] = False
    if told:
        narrow["description"] = "\n\n".join(filter(None, (narrow.get("description"), f"{{{', '.join(told)}}}")))
    return narrow


def _narrow_key(key: str, value: Any, told: list[str]) -> Schema:
    """Returns what a keyword becomes; one that the form lacks is added to `told`."""
    if key in KEPT or (key == "format" and value in FORMATS) or (key == "minItems" and value in (0, 1)):
        return {key: value}
    if key in NAMED:
        return {key: {name: _narrow(inner) for name, inner in value.items()}}
    if key in LISTED:
        return {LISTED[key]: [_narrow(inner) for inner in value]}
    if key == "items":
        return {key: _narrow(value)}
    if key not in SILENT:
        told.append(f"{key}: {orjson.dumps(value).decode()}")
    return {}


def _types(schema: Schema) -> list[Any]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind]


def _recurs(schema: Any) -> bool:
    """Whether the schema refers to itself."""
    reached = set(_refs({key: value for key, value in schema.items() if key not in ("$defs", "definitions")}))
    named = {
        f"#/{key}/{name}": set(_refs(inner))
        for key in ("$defs", "definitions")
        for name, inner in schema.get(key, {}).items()
    }
    for start, direct in named.items():
        seen: set[str] = set()
        ahead = set(direct)
        while ahead:
            at = ahead.pop()
            seen.add(at)
            ahead |= named.get(at, set()) - seen
        reached |= seen
        if start in seen:
            return True
    return "#" in reached


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(ref := value.get("$ref"), str):
            yield ref
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)
