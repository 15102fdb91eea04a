"""Which values obey which schemas: as the library jsonschema says, and in bounded time whatever the two are."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.runner.schema import schema_problem
from service.runner.schema_evaluation import TooMuchError
from service.runner.schema_rules import RULES, UNCHECKED
from service.runner.schema_value import Form, form_of, unchecked
from service.runner.schema_words import CHECKS

STEPS = 10_000
NAMES = ("a", "b", "c")
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "a": {"type": "integer"}}, "required": ["a"]}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.sampled_from([0.5, 1.0, 2.5])
    | st.sampled_from(["", "a", "ab", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
counts = st.integers(0, 3)
KINDS = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])


def _schemas_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    members = st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
    names = st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
    words: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, unique=True, min_size=1, max_size=2),
        "enum": st.lists(values, min_size=1, max_size=3),
        "const": values,
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), some),
        **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "propertyNames"), inner),
        **dict.fromkeys(("properties", "dependentSchemas"), members),
        "additionalProperties": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "^b$", "[bc]"]), inner, max_size=2),
        "required": names,
        "dependentRequired": st.dictionaries(st.sampled_from(NAMES), names, max_size=2),
        **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), counts),
        **dict.fromkeys(("minContains", "maxContains"), counts),
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), st.integers(-2, 4)),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "uniqueItems": st.booleans(),
        "pattern": st.sampled_from(["a", "^a?$", "b$", "^.$"]),
    }
    optional = st.fixed_dictionaries({}, optional=words)
    few = st.lists(st.sampled_from(sorted(words)), max_size=3, unique=True)
    return few.flatmap(lambda chosen: st.fixed_dictionaries({word: words[word] for word in chosen})) | optional


schemas: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), _schemas_of, max_leaves=8)


def problem(schema: Any, value: Any) -> str:
    return Form(json.dumps(schema)).problem(json.dumps(value), steps=STEPS)


@given(schemas.filter(lambda schema: isinstance(schema, dict)), values)
def test_the_verdict_is_that_of_the_reference_library(schema: Any, value: Any) -> None:
    assert (problem(schema, value) == "") == jsonschema.Draft202012Validator(schema).is_valid(value)


def test_every_word_that_is_understood_has_a_rule_or_demands_nothing() -> None:
    demand_nothing = {
        *("$schema", "$id", "$anchor", "$dynamicAnchor", "$comment", "$defs", "definitions", "title", "description"),
        *("format", "contentEncoding", "contentMediaType", "contentSchema", "examples"),
        *("deprecated", "readOnly", "writeOnly"),
        # Parts of what `if` and `contains` say.
        *("then", "else", "minContains", "maxContains"),
    }
    assert set(CHECKS) - set(RULES) - UNCHECKED == demand_nothing


OLDER: dict[str, tuple[Any, Any, bool]] = {
    "a tuple": ({"items": [{"type": "string"}], "additionalItems": False}, ["a"], True),
    "a tuple with one more": ({"items": [{"type": "string"}], "additionalItems": False}, ["a", 1], False),
    "more than the minimum": ({"minimum": 1, "exclusiveMinimum": True}, 2, True),
    "the minimum itself": ({"minimum": 1, "exclusiveMinimum": True}, 1, False),
    "the maximum itself": ({"maximum": 1, "exclusiveMaximum": True}, 1, False),
    "the maximum, when that is allowed": ({"maximum": 1, "exclusiveMaximum": False}, 1, True),
    "a dependency that is met": ({"dependencies": {"a": ["b"]}}, {"a": 1, "b": 1}, True),
    "a dependency that is not met": ({"dependencies": {"a": ["b"]}}, {"a": 1}, False),
    "a list of nodes": ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {"a": 1, "next": {"a": 2}}, True),
    "a broken node": ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, {"a": 1, "next": {"a": "2"}}, False),
    "an anchor": ({"$defs": {"x": {"$anchor": "there", "type": "string"}}, "items": {"$ref": "#there"}}, [1], False),
    "escapes in a pointer": ({"$defs": {"a/b c": {"type": "null"}}, "items": {"$ref": "#/$defs/a~1b%20c"}}, [1], False),
    "tenths": ({"multipleOf": 0.1}, 0.3, True),
    "true is not one": ({"enum": [1]}, True, False),
    "a whole number with a point": ({"type": "integer", "const": 3}, 3.0, True),
    "a lone surrogate": ({"pattern": "^.$"}, "\ud800", True),
}


@pytest.mark.parametrize(("schema", "value", "good"), OLDER.values(), ids=OLDER)
def test_old_words_references_and_numbers_are_understood(schema: Any, value: Any, *, good: bool) -> None:
    assert not schema_problem(json.dumps(schema))
    assert (problem(schema, value) == "") == good


TOLD: dict[str, tuple[Any, str, str]] = {
    "no JSON": ({}, "Sure! {}", "it is not JSON"),
    "nothing": ({}, "", "it is not JSON"),
    "infinity": ({}, "1e999", "it is not JSON"),
    "too deep": ({}, "[" * 100_000, "it is nested too deeply"),
    "the whole": ({"type": "object"}, "3", "$ must be of type object"),
    "a place inside": (
        {"properties": {"a": {"items": {"minimum": 2}}}},
        '{"a": [2, 1]}',
        "$.a[1] must be 2 or more",
    ),
    "a member that lacks": ({"required": ["city"]}, "{}", "$ lacks 'city'"),
    "a member too many": ({"additionalProperties": False}, '{"x": 1}', "$.x must not be there"),
}


@pytest.mark.parametrize(("schema", "text", "told"), TOLD.values(), ids=TOLD)
def test_the_problem_names_the_place_and_what_is_wanted(schema: Any, text: str, told: str) -> None:
    assert form_of(json.dumps(schema)).problem(text, steps=STEPS) == told


DOUBLING = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": False}
LOAD = json.dumps([{"k": "x" * 50}] * 2000)
HOSTILE: dict[str, tuple[Any, str]] = {
    "references that double": ({"$ref": "#/$defs/d0", "$defs": DOUBLING}, "1"),
    "a pattern that backtracks": ({"pattern": "^(a+)+$"}, json.dumps("a" * 5000 + "!")),
    "a large pattern": ({"items": {"pattern": "(x{1,500}y?){1,2}$"}}, json.dumps(["x" * 50_000] * 10)),
    "a large value compared often": ({"allOf": [{"enum": [[n]]} for n in range(100)]}, LOAD),
    "many choices": ({"items": {"enum": [[n] for n in range(10_000)]}}, LOAD),
    "numbers with an exponent": ({"items": {"multipleOf": 1e-300}}, json.dumps([1e300] * 1000)),
}


@pytest.mark.parametrize(("schema", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_schema_costs_no_more_than_was_allowed(schema: Any, text: str) -> None:
    form = Form(json.dumps(schema))
    begun = time.process_time()
    with contextlib.suppress(TooMuchError):
        form.problem(text, steps=STEPS)
    assert time.process_time() - begun < 0.5


UNCHECKABLE: dict[str, Any] = {
    "look-ahead": {"properties": {"a": {"pattern": "^(?=a)"}}},
    "a back-reference": {"patternProperties": {r"^(a)\1$": {}}},
    "unevaluated properties": {"anyOf": [{"unevaluatedProperties": False}]},
}


@pytest.mark.parametrize("schema", UNCHECKABLE.values(), ids=UNCHECKABLE)
def test_what_can_not_be_checked_is_found_beforehand(schema: Any) -> None:
    assert "can't be checked here" in unchecked(json.dumps(schema))


def test_a_usual_schema_can_be_checked() -> None:
    assert not unchecked(json.dumps({"$defs": {"node": NODE}, "properties": {"unevaluatedItems": {"pattern": "^a$"}}}))
