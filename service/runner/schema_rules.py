"""What each word of JSON Schema demands of a value: one table; pure.

A rule returns what is wrong, as the rest of a sentence about the place in the value, or what a schema further in found,
which begins with its own place; empty when nothing is wrong. Every rule pays for the work that it does.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from service.runner import schema_inside as inside
from service.runner.schema_evaluation import Evaluation, Where, canonical, first_problem, kind_of, matches


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind` is the one of values that the word speaks about, empty for all of them."""

    kind: str
    problem: Callable[[Evaluation, Any, Any, Mapping[str, Any], Where], str]


def _type(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    names = argument if isinstance(argument, list) else [argument]
    kind = kind_of(value)
    if kind in names or (isinstance(value, int) and kind == "number" and "integer" in names):
        return ""
    return f"must be of type {' or '.join(names)}"


def _enum(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    same = (
        value in argument
        if isinstance(value, str)
        else canonical(run, value) in {canonical(run, each) for each in argument}
    )
    return "" if same else f"must be one of {json.dumps(argument)[:200]}"


def _const(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return "" if canonical(run, value) == canonical(run, argument) else f"must be {json.dumps(argument)[:200]}"


def _all_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return first_problem(run.problem(each, value, where) for each in argument)


def _any_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    problems = []
    for each in argument:
        problem = run.problem(each, value, where)
        if not problem:
            return ""
        problems.append(problem)
    return f"fits none of the alternatives, the first because {problems[0]}"[:500]


def _one_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    fitting = sum(not run.problem(each, value, where) for each in argument)
    return "" if fitting == 1 else f"must fit one of the alternatives, and fits {fitting or 'none'}"


def _not(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return "" if run.problem(argument, value, where) else "is what the schema forbids"


def _if(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    branch = "else" if run.problem(argument, value, where) else "then"
    return run.problem(schema.get(branch, True), value, where)


def _reference(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return run.problem(run.target(argument), value, where)


def _pattern(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return "" if matches(run, argument, value) else f"must match {argument[:200]!r}"


def _multiple_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    # As they are written: 0.3 is three times 0.1, though not in binary.
    whole = (Fraction(repr(value)) / Fraction(repr(argument))).denominator == 1
    return "" if whole else f"must be a multiple of {argument}"


def _exclusive_minimum(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    # In draft 4 it says how minimum is meant.
    limit = schema.get("minimum", -math.inf) if argument is True else argument
    return "" if argument is False or value > limit else f"must be more than {limit}"


def _exclusive_maximum(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    limit = schema.get("maximum", math.inf) if argument is True else argument
    return "" if argument is False or value < limit else f"must be less than {limit}"


def _measured(words: str, holds: Callable[[Any, Any], bool], measure: Callable[[Any], Any] = len) -> Any:
    """A rule that compares a measure of the value with its argument."""

    def check(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
        return "" if holds(measure(value), argument) else words.format(argument)

    return check


def _itself(value: Any) -> Any:
    return value


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "type": Rule("", _type),
        "enum": Rule("", _enum),
        "const": Rule("", _const),
        "allOf": Rule("", _all_of),
        "anyOf": Rule("", _any_of),
        "oneOf": Rule("", _one_of),
        "not": Rule("", _not),
        "if": Rule("", _if),
        "$ref": Rule("", _reference),
        "$dynamicRef": Rule("", _reference),
        "properties": Rule("object", inside.properties),
        "required": Rule("object", inside.required),
        "patternProperties": Rule("object", inside.pattern_properties),
        "additionalProperties": Rule("object", inside.additional_properties),
        "propertyNames": Rule("object", inside.property_names),
        "dependencies": Rule("object", inside.dependencies),
        "dependentRequired": Rule("object", inside.dependencies),
        "dependentSchemas": Rule("object", inside.dependencies),
        "minProperties": Rule("object", _measured("must have {} members or more", operator.ge)),
        "maxProperties": Rule("object", _measured("must have {} members at most", operator.le)),
        "items": Rule("array", inside.items),
        "prefixItems": Rule("array", inside.prefix_items),
        "additionalItems": Rule("array", inside.additional_items),
        "contains": Rule("array", inside.contains),
        "uniqueItems": Rule("array", inside.unique_items),
        "minItems": Rule("array", _measured("must have {} items or more", operator.ge)),
        "maxItems": Rule("array", _measured("must have {} items at most", operator.le)),
        "pattern": Rule("string", _pattern),
        "minLength": Rule("string", _measured("must have {} characters or more", operator.ge)),
        "maxLength": Rule("string", _measured("must have {} characters at most", operator.le)),
        "multipleOf": Rule("number", _multiple_of),
        "minimum": Rule("number", _measured("must be {} or more", operator.ge, _itself)),
        "maximum": Rule("number", _measured("must be {} or less", operator.le, _itself)),
        "exclusiveMinimum": Rule("number", _exclusive_minimum),
        "exclusiveMaximum": Rule("number", _exclusive_maximum),
    }
)
"""Word → its rule. Words that are not here, and not among UNCHECKED, demand nothing."""

UNCHECKED: Final = frozenset({"unevaluatedItems", "unevaluatedProperties", "$recursiveRef"})
"""Words that demand something and have no rule here: strict schemas can't have them."""
