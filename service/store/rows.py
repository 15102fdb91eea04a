"""Rows of many at once, of whatever kinds, written with one statement: each of those gives the interpreter away, and
has to wait for it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store.sqlite import sqlite3

MOST_ROWS: Final = 64
"""Rows of one statement. There is a statement for each number of rows, made when it is first needed."""
COLUMNS: Final = 19
"""As many as the widest kind has. What other kinds don't have is 0: of all values that one is bound soonest."""
_VIEW: Final = "rows_of_all_kinds"
_PADS: Final = [(0,) * (COLUMNS - width) for width in range(COLUMNS + 1)]

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one kind, with these columns: they go into a view, and from there into the tables by `triggers`.

    `singly` writes one by itself, and raises what there is to say where it can't be written. What is written of the
    same thing later has a higher `place`; no two kinds have the same. `alone` is a statement that takes rows for its
    `%s`, without the view, where there are none of another kind. `goes_on` says that more of the same log follows; then
    `lone` says of a row that it is a single event.
    """

    place: int
    columns: tuple[str, ...]
    singly: Callable[[Tables, Row], None]
    triggers: tuple[str, ...]
    alone: str = ""
    goes_on: bool = False
    lone: Callable[[Row], bool] = lambda row: False

    def add(self, db: Tables, rows: Sequence[Row]) -> None:
        """Adds them all. Raises IntegrityError where one may not be there: then none of its statement is."""
        add(db, ((self, rows),))


def prepare(conn: sqlite3.Connection, kinds: Iterable[Rows]) -> None:
    """Tells the writer's own connection of the view and of what each `new` row does: neither is in a file."""
    conn.execute(f"create temp view {_VIEW} as select {', '.join(f'null as c{at}' for at in range(COLUMNS + 1))}")
    for kind in kinds:
        for number, trigger in enumerate(kind.triggers):
            conn.execute(
                f"create temp trigger kind_{kind.place}_{number} instead of insert on {_VIEW} {_of(kind, trigger)}"
            )


def add(db: Tables, several: Sequence[tuple[Rows, Sequence[Row]]]) -> None:
    """Adds rows of several kinds, in this order; raises as `Rows.add`."""
    kind, rows = several[0]
    if len(several) == 1 and kind.alone:
        statement, width = kind.alone, len(kind.columns)
    else:
        statement, width = f"insert into {_VIEW} values %s", COLUMNS + 1
        rows = [(kind.place, *row, *_PADS[len(row)]) for kind, some in several for row in some]
    for start in range(0, len(rows), MOST_ROWS):
        some = rows[start : start + MOST_ROWS]
        # As `execute`, which gives the interpreter away once more, to ask for the last row's id.
        db.conn.executemany(_with(statement, width, len(some)), (list(chain.from_iterable(some)),))


def _of(kind: Rows, trigger: str) -> str:
    """A trigger for rows of a kind alone: what it calls by name stands at the column's place."""
    when, _, does = trigger.strip().partition("begin")
    condition = when.strip().removeprefix("when ") or "true"
    named = re.sub(
        r"\bnew\.(\w+)", lambda name: f"new.c{kind.columns.index(name[1]) + 1}", f"({condition}) begin {does}"
    )
    return f"when new.c0 = {kind.place} and {named}"


@cache
def _with(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement % ", ".join([row] * rows)
