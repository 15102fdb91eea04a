"""What each word of JSON Schema demands of a value: one table; pure.

A rule returns what is wrong, as the rest of a sentence about the place in the value, or what a schema further in found,
which begins with its own place; empty when nothing is wrong. Every rule pays for the work that it does.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import re2

Where: TypeAlias = "tuple[Where, str | int] | None"
"""The way to a place in the value, the last step first; None is the value itself."""

MAX_PATTERN_MEMORY: Final = 1024 * 1024


class TooMuchError(Exception):
    """Knowing takes more steps than were allowed."""


class Evaluation(Protocol):
    """What a rule needs of the evaluation that it is part of."""

    def spend(self, steps: int) -> None:
        """Pays for work. Raises TooMuchError."""

    def problem(self, schema: Any, value: Any, where: Where) -> str:
        """What is wrong with a value by another schema."""

    def target(self, reference: str) -> Any:
        """The schema that a reference names."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind` is the one of values that the word speaks about, empty for all of them."""

    kind: str
    problem: Callable[[Evaluation, Any, Any, Mapping[str, Any], Where], str]


def kind_of(value: Any) -> str:
    """The kind of a JSON value: `object`, `array`, `string`, `number`, `boolean` or `null`."""
    return _KINDS[type(value)]


_KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """A pattern that takes time in proportion to the text, whoever wrote it. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    return re2.compile(pattern, options)


def _matches(run: Evaluation, pattern: str, text: str) -> bool:
    expression = compiled(pattern)
    run.spend(len(text) * expression.programsize // 512)
    # A lone surrogate is JSON, but no text.
    return expression.search(text.encode(errors="replace").decode()) is not None


def _form(run: Evaluation, value: Any) -> str:
    """A text that is the same for values that JSON Schema takes for equal, and for no others."""
    form = json.dumps(value, sort_keys=True)
    run.spend(len(form) // 64)
    return form


def _type(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    names = argument if isinstance(argument, list) else [argument]
    kind = kind_of(value)
    if kind in names or (isinstance(value, int) and kind == "number" and "integer" in names):
        return ""
    return f"must be of type {' or '.join(names)}"


def _enum(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    same = value in argument if isinstance(value, str) else _form(run, value) in {_form(run, each) for each in argument}
    return "" if same else f"must be one of {json.dumps(argument)[:200]}"


def _const(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return "" if _form(run, value) == _form(run, argument) else f"must be {json.dumps(argument)[:200]}"


def _all_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return _first(run.problem(each, value, where) for each in argument)


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


def _properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    return _first(run.problem(each, value[name], (where, name)) for name, each in argument.items() if name in value)


def _required(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    # In drafts before 4 it was a word of the property itself.
    missing = [name for name in argument if name not in value] if isinstance(argument, list) else []
    return f"lacks {missing[0][:64]!r}" if missing else ""


def _pattern_properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return _first(
        run.problem(each, value[name], (where, name))
        for pattern, each in argument.items()
        for name in value
        if _matches(run, pattern, name)
    )


def _additional_properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
    return _first(
        run.problem(argument, value[name], (where, name))
        for name in value
        if name not in known and not any(_matches(run, pattern, name) for pattern in patterns)
    )


def _property_names(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return _first(run.problem(argument, name, (where, name)) for name in value)


def _dependencies(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    return _first(
        _required(run, each, value, schema, where) if isinstance(each, list) else run.problem(each, value, where)
        for name, each in argument.items()
        if name in value
    )


def _items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    if isinstance(argument, list):
        return _prefix_items(run, argument, value, schema, where)
    return _rest(run, argument, value, len(schema.get("prefixItems", ())), where)


def _prefix_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    pairs = enumerate(zip(argument, value, strict=False))
    return _first(run.problem(each, item, (where, place)) for place, (each, item) in pairs)


def _additional_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    items = schema.get("items")
    return _rest(run, argument, value, len(items), where) if isinstance(items, list) else ""


def _rest(run: Evaluation, schema: Any, value: list[Any], start: int, where: Where) -> str:
    return _first(run.problem(schema, value[place], (where, place)) for place in range(start, len(value)))


def _contains(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    count = sum(not run.problem(argument, item, (where, place)) for place, item in enumerate(value))
    least, most = schema.get("minContains", 1), schema.get("maxContains", count)
    return "" if least <= count <= most else f"has {count} items of a kind of which it must have {least} or more"


def _unique_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    unique = not argument or len({_form(run, item) for item in value}) == len(value)
    return "" if unique else "has an item twice"


def _pattern(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return "" if _matches(run, argument, value) else f"must match {argument[:200]!r}"


def _multiple_of(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    # As they are written: 0.3 is three times 0.1, though not in binary.
    whole = (Fraction(repr(value)) / Fraction(repr(argument))).denominator == 1
    return "" if whole else f"must be a multiple of {argument}"


def _exclusive_minimum(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    limit = (
        schema.get("minimum", -math.inf) if argument is True else argument
    )  # In draft 4 it says how minimum is meant.
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


def _first(problems: Iterable[str]) -> str:
    return next(filter(None, problems), "")


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
        "properties": Rule("object", _properties),
        "required": Rule("object", _required),
        "patternProperties": Rule("object", _pattern_properties),
        "additionalProperties": Rule("object", _additional_properties),
        "propertyNames": Rule("object", _property_names),
        "dependencies": Rule("object", _dependencies),
        "dependentRequired": Rule("object", _dependencies),
        "dependentSchemas": Rule("object", _dependencies),
        "minProperties": Rule("object", _measured("must have {} members or more", operator.ge)),
        "maxProperties": Rule("object", _measured("must have {} members at most", operator.le)),
        "items": Rule("array", _items),
        "prefixItems": Rule("array", _prefix_items),
        "additionalItems": Rule("array", _additional_items),
        "contains": Rule("array", _contains),
        "uniqueItems": Rule("array", _unique_items),
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
