"""The rules of what stands inside a value, members of an object and items of an array; as those of `schema_rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.runner.schema_evaluation import Evaluation, Where, canonical, first_problem, matches


def properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    return first_problem(
        run.problem(each, value[name], (where, name)) for name, each in argument.items() if name in value
    )


def required(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    # In drafts before 4 it was a word of the property itself.
    missing = [name for name in argument if name not in value] if isinstance(argument, list) else []
    return f"lacks {missing[0][:64]!r}" if missing else ""


def pattern_properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return first_problem(
        run.problem(each, value[name], (where, name))
        for pattern, each in argument.items()
        for name in value
        if matches(run, pattern, name)
    )


def additional_properties(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
    return first_problem(
        run.problem(argument, value[name], (where, name))
        for name in value
        if name not in known and not any(matches(run, pattern, name) for pattern in patterns)
    )


def property_names(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    return first_problem(run.problem(argument, name, (where, name)) for name in value)


def dependencies(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    run.spend(len(argument) // 16)
    return first_problem(
        required(run, each, value, schema, where) if isinstance(each, list) else run.problem(each, value, where)
        for name, each in argument.items()
        if name in value
    )


def items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    if isinstance(argument, list):
        return prefix_items(run, argument, value, schema, where)
    return _rest(run, argument, value, len(schema.get("prefixItems", ())), where)


def prefix_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    pairs = enumerate(zip(argument, value, strict=False))
    return first_problem(run.problem(each, item, (where, place)) for place, (each, item) in pairs)


def additional_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    before = schema.get("items")
    return _rest(run, argument, value, len(before), where) if isinstance(before, list) else ""


def _rest(run: Evaluation, schema: Any, value: list[Any], start: int, where: Where) -> str:
    return first_problem(run.problem(schema, value[place], (where, place)) for place in range(start, len(value)))


def contains(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    count = sum(not run.problem(argument, item, (where, place)) for place, item in enumerate(value))
    least, most = schema.get("minContains", 1), schema.get("maxContains", count)
    return "" if least <= count <= most else f"has {count} items of a kind of which it must have {least} or more"


def unique_items(run: Evaluation, argument: Any, value: Any, schema: Mapping[str, Any], where: Where) -> str:
    unique = not argument or len({canonical(run, item) for item in value}) == len(value)
    return "" if unique else "has an item twice"
