"""What is shown and kept of a run: a table, `results.md`, the raw rows, and whether something got slower."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.loads import Row

SLOWER: Final = 1.2
HERE: Final = Path(__file__).parent
COSTS: Final = (
    ("cpu_event", "µs of CPU an event"),
    ("cpu_request", "µs of CPU a request"),
    ("cpu", "ms of CPU"),
    ("value", ""),
)
"""Fields of a raw row that are compared with those of an earlier run: the first that both have."""


def connections(count: int) -> str:
    """So many, in words."""
    return f"{count:,} connection{'s' if count != 1 else ''}"


IDENTITY: Final[Mapping[str, Callable[[Any], str]]] = {
    "server": str,
    "load": str,
    "connections": connections,
    "name": str,
    "number": "{:,}".format,
    "cold": "cold: {}".format,
}
"""Fields that say what a raw row measured, so that it is found again in another run, and how they are told."""
_Column = tuple[str, Callable[[Row], float | str | None], int]
COLUMNS: Final[Sequence[_Column]] = (
    ("load", lambda row: row.load, 0),
    ("connections", lambda row: f"{row.connections:,}", 0),
    ("requests/s", lambda row: row.requests_a_second, 0),
    ("events/s", lambda row: row.events_a_second or None, 0),
    ("answer p50 ms", lambda row: row.latency_p50, 1),
    ("p99", lambda row: row.latency_p99, 1),
    ("first token p50 ms", lambda row: row.first_p50, 1),
    ("p99", lambda row: row.first_p99, 1),
    ("added a token p50 ms", lambda row: row.added_p50, 2),
    ("p99", lambda row: row.added_p99, 2),
    ("CPU µs a request", lambda row: row.cpu_request, 0),
    ("CPU µs an event", lambda row: row.cpu_event, 1),
    ("memory MB before", lambda row: row.memory_before or None, 0),
    ("peak", lambda row: row.memory_peak or None, 0),
    ("pace ms", lambda row: row.pace or None, 2),
    ("disk ms", lambda row: row.disk or None, 0),
    ("errors", lambda row: row.errors, 0),
)


def show_heads() -> None:
    """The head of the table that `show` adds to."""
    print(" ".join(name.rjust(max(9, len(name))) for name, _, _ in COLUMNS), flush=True)


def show(row: Row) -> Row:
    """Prints a row as soon as it is known."""
    text = zip(cells(row), COLUMNS, strict=True)
    print(" ".join(cell.rjust(max(9, len(name))) for cell, (name, _, _) in text), row.error[:200], flush=True)
    return row


def cells(row: Row) -> list[str]:
    """A row as text."""
    return [_text(value(row), digits) for _, value, digits in COLUMNS]


def _text(value: float | str | None, digits: int) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,.{digits}f}"


def markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table, its columns of one width so that it reads as text too."""
    rows = [list(heads), *map(list, lines)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(padded)} |"

    rule = f"|{'-' * (widths[0] + 2)}|{'|'.join('-' * (width + 1) + ':' for width in widths[1:])}|"
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:])])


def table(rows: Iterable[Row], *, server: bool = False) -> str:
    """What was measured, with a column for the server where there are several."""
    heads = ["server"] if server else []
    lines = ([*([row.server] if server else []), *cells(row)] for row in rows)
    return markdown([*heads, *(name for name, _, _ in COLUMNS)], lines)


def keep(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes the raw rows, one JSON object a line."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def kept(path: Path) -> list[dict[str, Any]]:
    """The raw rows of an earlier run; none if there was none."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def slower(records: Iterable[Mapping[str, Any]], before: Iterable[Mapping[str, Any]]) -> list[str]:
    """What costs a fifth more than it did in the raw rows `before`, in words."""
    earlier = {_name(old): old for old in before if old.get("told", True)}
    found = []
    for record in records:
        if not record.get("told", True):
            continue
        old = earlier.get(_name(record), {})
        for field, unit in COSTS:
            was, now = old.get(field), record.get(field)
            if was and now and now > was * SLOWER:
                times = f"{now / was:.2f} times the committed {was:,.1f}"
                found.append(f"{_name(record)}: {now:,.1f} {record.get('unit', unit)}, {times}")
                break
    return found


def _name(record: Mapping[str, Any]) -> str:
    return ", ".join(words(record[field]) for field, words in IDENTITY.items() if field in record)
