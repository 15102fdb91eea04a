"""Limits as columns, which two tables have: named as the fields are, null where there is no limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from nodexa.v1.admin_pb2 import Limits

COLUMNS: Final = tuple(Limits.DESCRIPTOR.fields_by_name)


def limits_of(row: Mapping[str, Any]) -> Limits | None:
    """The limits of a row; None where there are none."""
    found = {name: row[name] for name in COLUMNS if row[name] is not None}
    return Limits(**found) if found else None


def columns_of(limits: Limits) -> dict[str, int | None]:
    """The columns that hold the limits."""
    return {name: getattr(limits, name) if limits.HasField(name) else None for name in COLUMNS}  # type: ignore[arg-type]


def selected(*tables: str) -> str:
    """The columns of these tables, for a query."""
    return ", ".join(f"{table}.{name}" for table in tables for name in COLUMNS)


def halves(values: Sequence[int | None]) -> tuple[Limits | None, Limits | None]:
    """The limits of both tables that `selected` was given."""
    middle = len(COLUMNS)
    first, second = (dict(zip(COLUMNS, part, strict=True)) for part in (values[:middle], values[middle:]))
    return limits_of(first), limits_of(second)
