"""Cuts an OpenAPI document down to the schemas of what is validated here, without their prose.

`python -m tests.contract.documents.cut openai DOCUMENT.json`; README.md says where the documents come from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOTS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        "Response",
        "ResponseStreamEvent",
        "ResponseItemList",
        "TokenCountsResource",
        "CompactResource",
        "ConversationResource",
        "DeletedConversationResource",
        "ConversationItem",
        "ConversationItemList",
        "ListModelsResponse",
        "Model",
        "Error",
    ),
    "openresponses": ("ResponseResource", "CompactResource", "ErrorPayload", "WebSocketErrorEvent"),
}
"""The objects that a client is told, by document. Of the second also every schema of a streamed event."""

_PROSE: Final = frozenset({"description", "example", "examples", "title", "discriminator", "default"})
_NAMES: Final = frozenset({"properties", "$defs"})
_DATA: Final = frozenset({"enum", "const", "required"})
_PLACE: Final = "#/components/schemas/"


def cut(document: Mapping[str, Any], roots: tuple[str, ...]) -> dict[str, Any]:
    """The document with nothing in it but what `roots` need, and who made it."""
    schemas = document["components"]["schemas"]
    needed: set[str] = set()
    left = [*roots, *(name for name in schemas if name.endswith("StreamingEvent"))]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            left += references(schemas[name])
    kept = {name: without_prose(schemas[name]) for name in sorted(needed)}
    info = {name: document["info"][name] for name in ("title", "version", "license") if name in document["info"]}
    return {"openapi": document["openapi"], "info": info, "components": {"schemas": kept}}


def lines(made: Mapping[str, Any]) -> str:
    """The document as JSON with a schema a line: compact, and what a newer version changes can be read."""
    schemas = ",\n".join(f"{_compact(name)}:{_compact(rules)}" for name, rules in made["components"]["schemas"].items())
    head = "".join(f"{_compact(name)}:{_compact(made[name])},\n" for name in ("openapi", "info"))
    return f'{{{head}"components":{{"schemas":{{\n{schemas}\n}}}}}}\n'


def references(schema: Any) -> Iterator[str]:
    """The names of the schemas that one refers to."""
    if isinstance(schema, dict):
        if isinstance(place := schema.get("$ref"), str):
            yield place.removeprefix(_PLACE)
        for member in schema.values():
            yield from references(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from references(member)


def without_prose(schema: Any) -> Any:
    """The schema with nothing but its rules; `x-` members and defaults are none.

    `oneOf` becomes `anyOf`: what it lists is told apart by a discriminator, which JSON Schema does not know.
    """
    if isinstance(schema, list):
        return [without_prose(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: rule for name, rule in schema.items() if name not in _PROSE and not name.startswith("x-")}
    return {"anyOf" if name == "oneOf" else name: _rule(name, rule) for name, rule in kept.items()}


def _rule(name: str, rule: Any) -> Any:
    if name in _DATA:
        return rule
    if name in _NAMES:
        return {member: without_prose(schema) for member, schema in rule.items()}
    return without_prose(rule)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=ROOTS)
    parser.add_argument("document", type=Path)
    given = parser.parse_args()
    made = cut(json.loads(given.document.read_text()), ROOTS[given.name])
    Path(__file__).with_name(f"{given.name}.json").write_text(lines(made))
