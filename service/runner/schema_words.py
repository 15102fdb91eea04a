"""The words of JSON Schema: what each may hold, and where the schemas inside it are. A table, no more.

Drafts 4 to 2020-12 together: a tool's schema seldom says which one it was written for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

Key = str | int
Children = Iterable[tuple[tuple[Key, ...], Any]]
"""Schemas inside a value, each with the steps that lead to it."""


def is_schema(value: Any) -> bool:
    """Whether `value` can stand where a schema is wanted: an object or a boolean."""
    return isinstance(value, (dict, bool))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and (isinstance(value, int) or value.is_integer())


def _is_limit(value: Any) -> bool:
    return isinstance(value, bool) or _is_number(value)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and _is_names(names) and TYPES.issuperset(names)


def _is_schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_schema, value))


def _is_schema_or_list(value: Any) -> bool:
    return is_schema(value) or (isinstance(value, list) and all(map(is_schema, value)))


def _is_schema_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_schema, value.values()))


def _is_names_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


def _is_dependencies(value: Any) -> bool:
    return isinstance(value, dict) and all(is_schema(each) or _is_names(each) for each in value.values())


_ONE: Final = frozenset(
    (
        *("additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
        *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    )
)
_LIST: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAP: Final = frozenset(("$defs", "definitions", "dependentSchemas", "dependencies", "patternProperties", "properties"))

CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        **dict.fromkeys(_ONE, is_schema),
        **dict.fromkeys(_LIST, _is_schemas),
        **dict.fromkeys(_MAP, _is_schema_map),
        **dict.fromkeys(("multipleOf",), _is_positive),
        **dict.fromkeys(("maximum", "minimum"), _is_number),
        **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), _is_limit),
        **dict.fromkeys(
            (
                *("maxItems", "maxLength", "maxProperties", "maxContains"),
                *("minItems", "minLength", "minProperties", "minContains"),
            ),
            _is_count,
        ),
        **dict.fromkeys(
            (
                *("$schema", "$id", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment"),
                *("title", "description", "format", "pattern", "contentEncoding", "contentMediaType"),
            ),
            _is(str),
        ),
        **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _is(bool)),
        **dict.fromkeys(("enum", "examples"), _is(list)),
        "dependencies": _is_dependencies,
        "dependentRequired": _is_names_map,
        "items": _is_schema_or_list,
        "required": _is_names,
        "type": _is_type,
    }
)
"""Word → whether a value is one that it may hold. A word that is not a key may hold anything."""

SAME_VALUE: Final = frozenset(("allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "then"))
"""The words whose schemas apply to the very value that the schema around them applies to."""

REFERENCES: Final = ("$ref", "$dynamicRef")
ANCHORS: Final = ("$anchor", "$dynamicAnchor")


def children(word: str, value: Any) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """The schemas inside the value of `word`, each with the steps from the schema to it; the value passed its check."""
    if word in _MAP:
        yield from (((word, name), each) for name, each in value.items() if isinstance(each, dict))
    elif isinstance(value, list) and (word in _LIST or word in _ONE):
        yield from (((word, place), each) for place, each in enumerate(value) if isinstance(each, dict))
    elif word in _ONE and isinstance(value, dict):
        yield (word,), value
