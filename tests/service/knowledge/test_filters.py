"""Filters ask what OpenAI's do, and are refused by the place of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import NodexaError
from service.knowledge.filters import read_filter

NOTED: dict[str, str | float | bool] = {"year": 2024, "author": "Ada", "draft": True}


def compared(kind: str, key: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "key": key, "value": value}


@pytest.mark.parametrize(
    ("kind", "key", "value", "kept"),
    [
        ("eq", "year", 2024, True),
        ("eq", "year", 2024.0, True),
        ("eq", "year", "2024", False),
        ("eq", "draft", True, True),
        ("eq", "draft", 1, False),
        ("eq", "nothing", "x", False),
        ("ne", "author", "Ada", False),
        ("ne", "nothing", "x", True),
        ("gt", "year", 2023, True),
        ("gt", "year", 2024, False),
        ("gte", "year", 2024, True),
        ("lt", "author", "Bob", True),
        ("lte", "year", 2023.5, False),
        ("gt", "author", 3, False),
        ("gt", "draft", 0, False),
        ("gt", "nothing", 0, False),
        ("in", "author", ["Ada", "Bob"], True),
        ("in", "author", [], False),
        ("nin", "author", ["Bob"], True),
        ("nin", "nothing", ["Bob"], True),
    ],
)
def test_a_comparison_keeps_what_it_should(kind: str, key: str, value: Any, *, kept: bool) -> None:
    asked = read_filter(compared(kind, key, value), "filters")
    assert asked is not None
    assert asked(NOTED) == kept


def test_filters_are_combined() -> None:
    old, ada = compared("lt", "year", 2000), compared("eq", "author", "Ada")
    both = read_filter({"type": "and", "filters": [old, ada]}, "filters")
    either = read_filter({"type": "or", "filters": [old, {"type": "and", "filters": [ada]}]}, "filters")
    assert both is not None
    assert either is not None
    assert (both(NOTED), either(NOTED)) == (False, True)
    assert read_filter(None, "filters") is None


def nested(depth: int) -> dict[str, Any]:
    return compared("eq", "a", 1) if depth == 1 else {"type": "and", "filters": [nested(depth - 1)]}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ([], "filters"),
        ({"type": "like"}, "filters.type"),
        (compared("eq", "", 1), "filters.key"),
        (compared("eq", "a", None), "filters.value"),
        (compared("eq", "a", [1]), "filters.value"),
        (compared("gt", "a", True), "filters.value"),
        (compared("in", "a", "text"), "filters.value"),
        ({"type": "and", "filters": []}, "filters.filters"),
        ({"type": "or", "filters": [compared("eq", "a", 1), {"type": "eq"}]}, "filters.filters[1].key"),
        (nested(10), "filters" + ".filters[0]" * 7),
    ],
)
def test_a_wrong_filter_is_refused_by_its_place(value: Any, param: str) -> None:
    with pytest.raises(NodexaError) as refused:
        read_filter(value, "filters")
    assert (refused.value.code, refused.value.param) == ("invalid_request", param)
