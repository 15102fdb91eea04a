"""The two public OpenAPI documents of the Responses API, as schemas that can be asked about a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

FOLDER: Final = Path(__file__).parent / "documents"
_PLACE: Final = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Document:
    """One of them: `schemas` by name, and `events`, the `type` words of streamed events → the name of their schema."""

    name: str
    schemas: Mapping[str, Any]
    events: Mapping[str, str]
    _validators: dict[str, jsonschema_rs.Draft202012Validator] = field(default_factory=dict)

    def problems(self, schema: str, value: object) -> Iterator[str]:
        """What is wrong with `value`, each with its place; nothing where it is as `schema` says."""
        for error in self._validator(schema).iter_errors(value):
            yield from _told(error)

    def words(self) -> set[str]:
        """All `type` words that stand anywhere in it: of events, items, parts, tools, annotations."""
        return {word for schema in self.schemas.values() for word in _words(schema)}

    def kinds(self, schema: str) -> set[str]:
        """The `type` words of the alternatives that `schema` has."""
        return set(self._kinds({"$ref": _PLACE + schema}))

    def members(self, schema: str) -> set[str]:
        """The names that an object of `schema` may have by itself or by what it is put together from."""
        return set(self._members({"$ref": _PLACE + schema}))

    def _members(self, schema: Mapping[str, Any]) -> Iterator[str]:
        for part in self._parts(schema):
            yield from part.get("properties", {})

    def _kinds(self, schema: Mapping[str, Any]) -> Iterator[str]:
        for part in self._parts(schema):
            yield from part.get("properties", {}).get("type", {}).get("enum", ())

    def _parts(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        yield schema
        if "$ref" in schema:
            yield from self._parts(self.schemas[schema["$ref"].removeprefix(_PLACE)])
        for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
            yield from self._parts(part)

    def _validator(self, schema: str) -> jsonschema_rs.Draft202012Validator:
        found = self._validators.get(schema)
        if found is None:
            root = {"$ref": _PLACE + schema, "components": {"schemas": self.schemas}}
            found = self._validators[schema] = jsonschema_rs.Draft202012Validator(root)
        return found


def _read(name: str) -> Document:
    schemas = json.loads((FOLDER / f"{name}.json").read_text())["components"]["schemas"]
    events = {
        properties["type"]["enum"][0]: schema
        for schema, rules in schemas.items()
        if "sequence_number" in (properties := rules.get("properties", {}))
    }
    return Document(name, schemas, events)


def _told(error: jsonschema_rs.ValidationError, above: str = "") -> Iterator[str]:
    """Of alternatives, those that come nearest: the ones whose own word for the kind of thing is right."""
    place = above + "".join(f".{part}" for part in error.instance_path)
    yield f"{place or 'it'}: {error.message[:300]}"
    for branch in getattr(error.kind, "context", ()):
        if not any(list(each.instance_path)[-1:] == ["type"] for each in branch):
            for each in branch:
                yield from _told(each)


def _words(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for member in schema:
            yield from _words(member)
    elif isinstance(schema, dict):
        kind = schema.get("properties", {}).get("type", {}) if isinstance(schema.get("properties"), dict) else {}
        if isinstance(kind, dict):
            yield from kind.get("enum", ())
        for member in schema.values():
            yield from _words(member)


DOCUMENTS: Final[Mapping[str, Document]] = {name: _read(name) for name in ("openai", "openresponses")}
