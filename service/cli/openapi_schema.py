"""The schemas of an OpenAPI 3 document as JSON Schemas that stand alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

_HOPS: Final = 32
_OPENAPI_ONLY: Final = frozenset({"discriminator", "xml", "externalDocs", "example", "nullable"})
_VALUES: Final = frozenset({"enum", "const", "default", "examples"})
_MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})


def resolved(document: Mapping[str, Any], written: Any) -> Mapping[str, Any]:
    """An object of the document, with its `$ref` followed. Raises ValueError for one that leads nowhere."""
    for _ in range(_HOPS):
        if not isinstance(written, dict):
            raise ValueError("an object is expected where there is none")
        if not isinstance(written.get("$ref"), str):
            return written
        written = _target(document, written["$ref"])
    raise ValueError("a $ref leads in a circle")


class Schemas:
    """Takes schemas out of a document; `definitions` are those that they refer to, as `$defs` of the whole."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._keys: dict[str, str] = {}
        self.definitions: dict[str, Any] = {}

    def take(self, schema: Any) -> dict[str, Any]:
        """A copy that refers to `#/$defs/…`. Raises ValueError for a reference that leads nowhere."""
        taken = self._taken(schema)
        return taken if isinstance(taken, dict) else {}

    def _taken(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self._taken(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        taken = {word: self._word(word, value) for word, value in schema.items() if word not in _OPENAPI_ONLY}
        for word in ("exclusiveMinimum", "exclusiveMaximum"):
            _as_number(taken, word)
        if schema.get("nullable"):
            return _or_null(taken)
        return taken

    def _word(self, word: str, value: Any) -> Any:
        if word == "$ref" and isinstance(value, str):
            return f"#/$defs/{self._defined(value)}"
        if word in _VALUES:
            return value
        if word in _MAPS and isinstance(value, dict):
            return {name: self._taken(each) for name, each in value.items()}
        return self._taken(value)

    def _defined(self, reference: str) -> str:
        if reference not in self._keys:
            key = re.sub(r"[^a-zA-Z0-9_.-]+", "_", reference.rpartition("/")[2]) or "schema"
            while key in self.definitions:
                key += "_"
            self._keys[reference] = key
            self.definitions[key] = {}  # It may lead to itself.
            self.definitions[key] = self._taken(_target(self._document, reference))
        return self._keys[reference]


def _target(document: Mapping[str, Any], reference: str) -> Any:
    if not reference.startswith("#/"):
        raise ValueError(f"{reference[:200]!r} leads out of the document; bundle it into one file first")
    found: Any = document
    for step in reference[2:].split("/"):
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            raise ValueError(f"{reference[:200]!r} leads nowhere")
    return found


def _as_number(schema: dict[str, Any], word: str) -> None:
    """OpenAPI 3.0 says `exclusiveMinimum: true` beside `minimum`."""
    if isinstance(schema.get(word), bool):
        usual = "minimum" if word == "exclusiveMinimum" else "maximum"
        if schema.pop(word) and usual in schema:
            schema[word] = schema.pop(usual)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.0 says `nullable: true`."""
    kind = schema.get("type")
    if isinstance(kind, str):
        values = {"enum": [*schema["enum"], None]} if None not in schema.get("enum", [None]) else {}
        return {**schema, "type": [kind, "null"], **values}
    return {"anyOf": [schema, {"type": "null"}]}
