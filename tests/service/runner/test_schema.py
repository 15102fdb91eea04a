"""Which JSON Schemas are taken: recursive ones are, those that loop, point elsewhere or are too large are not."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from service.runner.schema import MAX_BYTES, MAX_DEPTH, schema_problem

NODE = {"type": "object", "properties": {"value": {}, "next": {"$ref": "#/$defs/node"}}}
TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}

GOOD: dict[str, Any] = {
    "empty": {},
    "an object": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
    "boolean schemas": {"properties": {"a": True, "b": False}, "additionalProperties": False},
    "a list": {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    "a tree": TREE,
    "two that refer to each other through properties": {
        "$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/b"}}}, "b": {"properties": {"a": {"$ref": "#/$defs/a"}}}},
        "$ref": "#/$defs/a",
    },
    "an anchor": {"$defs": {"x": {"$anchor": "there", "type": "string"}}, "items": {"$ref": "#there"}},
    "a dynamic anchor": {"$dynamicAnchor": "here", "items": {"$dynamicRef": "#here"}},
    "escapes in a pointer": {"$defs": {"a/b~c d": {}}, "items": {"$ref": "#/$defs/a~1b~0c%20d"}},
    "a chain of references": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/c"}, "c": {}},
        "$ref": "#/$defs/a",
    },
    "the same definition twice in allOf": {
        "$defs": {"a": {"minimum": 1}},
        "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
    },
    "a property named like a word": {"properties": {"$ref": {"type": "string"}, "type": {}, "not": {"$ref": "#"}}},
    "data that looks like a reference": {"enum": [{"$ref": "http://192.0.2.1/"}], "default": {"type": 3}},
    "another dialect's name": {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/s"},
    "words of draft 4 and 7": {
        "minimum": 1,
        "exclusiveMinimum": True,
        "items": [{}, {}],
        "additionalItems": False,
        "dependencies": {"a": ["b"], "c": {}},
        "definitions": {"x": {}},
    },
    "a pattern that Python can't compile": {"type": "string", "pattern": r"^\p{L}{2,}$"},
    "unknown words": {"x-order": 3, "strict": "yes"},
}

BAD: dict[str, tuple[Any, str]] = {
    "a list": ([], "must be a JSON object"),
    "a boolean": (True, "must be a JSON object"),
    "a wrong type": ({"type": "text"}, "is not JSON Schema: at $.type"),
    "no type": ({"type": []}, "is not JSON Schema: at $.type"),
    "a number as a schema": ({"properties": {"a": 3}}, "is not JSON Schema: at $.properties"),
    "deep inside": ({"anyOf": [{}, {"items": {"minLength": -1}}]}, "is not JSON Schema: at $.anyOf[1].items.minLength"),
    "half a character": ({"maxLength": 1.5}, "is not JSON Schema: at $.maxLength"),
    "an empty anyOf": ({"anyOf": []}, "is not JSON Schema: at $.anyOf"),
    "required as a word": ({"required": "a"}, "is not JSON Schema: at $.required"),
    "required twice": ({"required": ["a", "a"]}, "is not JSON Schema: at $.required"),
    "enum as a word": ({"enum": "a"}, "is not JSON Schema: at $.enum"),
    "a reference that is no text": ({"$ref": 3}, "is not JSON Schema: at $.$ref"),
    "a file": ({"$ref": "file:///etc/passwd"}, "points elsewhere"),
    "a server": ({"items": {"$ref": "https://192.0.2.1/s.json"}}, "points elsewhere"),
    "a relative one": ({"items": {"$ref": "other.json#/a"}}, "points elsewhere"),
    "a dynamic one elsewhere": ({"items": {"$dynamicRef": "https://192.0.2.1/#x"}}, "points elsewhere"),
    "elsewhere behind an unknown word": (
        {"components": {"a": {"$ref": "https://192.0.2.1/"}}, "items": {"$ref": "#/components/a"}},
        "points elsewhere",
    ),
    "nothing": ({"items": {"$ref": "#/$defs/none"}}, "refers to nothing: '#/$defs/none'"),
    "no anchor": ({"items": {"$ref": "#none"}}, "refers to nothing"),
    "a word, not a schema": ({"title": "x", "items": {"$ref": "#/title"}}, "refers to nothing"),
    "itself": ({"$ref": "#"}, "refers to itself in a loop"),
    "a circle of two": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "refers to itself in a loop",
    ),
    "a circle through allOf": ({"allOf": [{"$ref": "#"}]}, "refers to itself in a loop"),
    "a circle through a choice": ({"anyOf": [{"type": "null"}, {"not": {"$ref": "#"}}]}, "refers to itself in a loop"),
}


@pytest.mark.parametrize("schema", GOOD.values(), ids=GOOD)
def test_a_schema_that_ends_is_taken(schema: Any) -> None:
    assert schema_problem(json.dumps(schema)) == ""


@pytest.mark.parametrize(("schema", "problem"), BAD.values(), ids=BAD)
def test_a_schema_that_cannot_be_used_is_described(schema: Any, problem: str) -> None:
    assert schema_problem(json.dumps(schema)).startswith(problem)


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"minimum": NaN}', '{"maximum": 1e999}', '{"a": Infinity}'])
def test_what_is_not_json_is_said_to_be_none(text: str) -> None:
    assert schema_problem(text) == "is not JSON"


def test_the_size_is_counted_in_bytes() -> None:
    frame = len(json.dumps({"title": ""}))
    fits = json.dumps({"title": "a" * (MAX_BYTES - frame)})
    assert schema_problem(fits) == ""
    assert schema_problem(fits + " ") == "is over 256 kB"
    assert schema_problem(json.dumps({"title": "é" * (MAX_BYTES // 2)}, ensure_ascii=False)) == "is over 256 kB"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 30_000])
def test_what_is_nested_too_deeply_is_refused(depth: int) -> None:
    assert schema_problem('{"not":' * depth + "{}" + "}" * depth) == "is nested too deeply"


HOSTILE = {
    "as many schemas as fit": json.dumps({"anyOf": [{}] * 60_000}),
    "a long chain": json.dumps({"$defs": {f"{n}": {"$ref": f"#/$defs/{n + 1}"} for n in range(7_500)} | {"7500": {}}}),
    "many references to one anchor": json.dumps(
        {"$defs": {"a": {"$anchor": "a"}}, "anyOf": [{"$ref": "#a"} for _ in range(12_000)]}
    ),
    "many properties": json.dumps({"properties": {f"p{n}": {"type": "string"} for n in range(8_000)}}),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_worst_that_fits_takes_no_time_worth_speaking_of(text: str) -> None:
    assert len(text) <= MAX_BYTES
    started = time.process_time()

    assert schema_problem(text) == ""

    assert time.process_time() - started < 2


def test_nothing_is_ever_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        for schema in ({"$ref": url}, {"$schema": url}, {"$id": url, "items": {"$ref": "#"}}, {"$dynamicRef": url}):
            schema_problem(json.dumps(schema))
        with pytest.raises(BlockingIOError):
            server.accept()
