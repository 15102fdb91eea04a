"""Filters of OpenAI's wire on what is noted of files: checked once, then asked of each file. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from service.errors import NodexaError

Attributes = Mapping[str, str | float | bool]
Filter = Callable[[Attributes], bool]

MOST_DEEP: Final = 8
MOST_PARTS: Final = 100

_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
)
_LISTS: Final = ("in", "nin")
_COMPOUND: Final = MappingProxyType({"and": all, "or": any})
COMPARISONS: Final = ("eq", "ne", *_ORDERS, *_LISTS)


def read_filter(value: Any, path: str) -> Filter | None:
    """What a filter asks for, None where it is null. Raises NodexaError `invalid_request` with its place in `path`."""
    return None if value is None else _read(value, path, 1)


def _read(value: Any, path: str, depth: int) -> Filter:
    if not isinstance(value, Mapping):
        raise _wrong(path, "must be an object")
    kind = value.get("type")
    if kind in _COMPOUND:
        return _compound(value, path, depth)
    if kind not in COMPARISONS:
        raise _wrong(f"{path}.type", f"must be one of {', '.join((*COMPARISONS, *_COMPOUND))}")
    return _comparison(value, path)


def _compound(value: Mapping[str, Any], path: str, depth: int) -> Filter:
    parts = value.get("filters")
    if not isinstance(parts, list) or not 1 <= len(parts) <= MOST_PARTS:
        raise _wrong(f"{path}.filters", f"must be a list of 1 to {MOST_PARTS} filters")
    if depth == MOST_DEEP:
        raise _wrong(path, f"is nested deeper than {MOST_DEEP} levels")
    asked = [_read(part, f"{path}.filters[{index}]", depth + 1) for index, part in enumerate(parts)]
    combined = _COMPOUND[value["type"]]
    return lambda attributes: combined(one(attributes) for one in asked)


def _comparison(value: Mapping[str, Any], path: str) -> Filter:
    key, kind, wanted = value.get("key"), value["type"], value.get("value")
    if not isinstance(key, str) or not key:
        raise _wrong(f"{path}.key", "must be the name of an attribute")
    if kind in _LISTS:
        if not isinstance(wanted, list) or not all(_simple(each) for each in wanted):
            raise _wrong(f"{path}.value", "must be a list of texts or numbers")
        return lambda attributes: any(_same(attributes.get(key), each) for each in wanted) == (kind == "in")
    if not _simple(wanted):
        raise _wrong(f"{path}.value", "must be a text, a number or a boolean")
    if kind in _ORDERS:
        if isinstance(wanted, bool):
            raise _wrong(f"{path}.value", f"must be a text or a number for {kind}")
        return lambda attributes: _comparable(attributes.get(key), wanted) and _ORDERS[kind](attributes[key], wanted)
    return lambda attributes: _same(attributes.get(key), wanted) == (kind == "eq")


def _simple(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _same(have: Any, wanted: Any) -> bool:
    # True is not 1 here.
    return have is not None and isinstance(have, bool) == isinstance(wanted, bool) and bool(have == wanted)


def _comparable(have: Any, wanted: Any) -> bool:
    return have is not None and not isinstance(have, bool) and isinstance(have, str) == isinstance(wanted, str)


def _wrong(path: str, complaint: str) -> NodexaError:
    return NodexaError("invalid_request", f"{path} {complaint}.", param=path)
