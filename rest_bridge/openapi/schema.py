"""The words of JSON Schema that the tables of this package are written with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """The schema of that name among the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def of(kind: str, says: str = "", **more: Any) -> Schema:
    """A value of the type `kind`; `more` are further keywords."""
    return {"type": kind, **({"description": says} if says else {}), **more}


def word(*words: str, says: str = "") -> Schema:
    """One of these texts."""
    return of("string", says, enum=list(words))


def constant(value: str) -> Schema:
    """This text, as type words are."""
    return of("string", const=value)


def items(schema: Schema, says: str = "", **more: Any) -> Schema:
    """A list of such values."""
    return of("array", says, items=schema, **more)


def members(properties: Mapping[str, Schema], required: Iterable[str] = (), says: str = "", **more: Any) -> Schema:
    """An object; `required` names those of `properties` that are never absent."""
    return of("object", says, properties=dict(properties), required=list(required), **more)


def whole(properties: Mapping[str, Schema], says: str = "") -> Schema:
    """An object that always has all of `properties`."""
    return members(properties, properties, says)


def one_of(*schemas: Schema, says: str = "") -> Schema:
    """A value of any of these kinds."""
    return {**({"description": says} if says else {}), "anyOf": list(schemas)}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def without(*words: str) -> Schema:
    """A type word that is none of these."""
    return of("string", minLength=1) | {"not": {"enum": list(words)}}


def tagged(kinds: Mapping[str, Schema], known: Collection[str], says: str) -> Schema:
    """An object whose `type` says which of `kinds` it is; one of any other type than `known` is kept as it is."""
    other = members({"type": without(*known)}, ("type",), "Of another type: kept as it is.")
    return one_of(*kinds.values(), other, says=says)
