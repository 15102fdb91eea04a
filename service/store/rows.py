"""Rows of many at once, written with one statement: each gives the interpreter away, and has to wait for it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store.sqlite import sqlite3

MOST_ROWS: Final = 64
"""Rows of one statement. There is a statement for each number of rows, made when it is first needed."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that go into a view with these columns, and from there into the tables: a trigger divides them.

    `singly` writes one by itself, and raises what there is to say where it can't be written. What is written of the
    same thing later has a higher `place`. Rows that need no view have a `statement`, which takes them for its `%s`.
    """

    view: str
    columns: tuple[str, ...]
    place: int
    singly: Callable[[Tables, Row], None]
    statement: str = ""

    def prepare(self, conn: sqlite3.Connection, *triggers: str) -> None:
        """Tells the writer's own connection of the view and of what each `new` row does: neither is in a file."""
        conn.execute(f"create temp view {self.view} as select {', '.join(f'null as {name}' for name in self.columns)}")
        for number, trigger in enumerate(triggers):
            conn.execute(f"create temp trigger {self.view}_{number} instead of insert on {self.view} {trigger}")

    def add(self, db: Tables, rows: Sequence[Row]) -> None:
        """Adds them all. Raises IntegrityError where one may not be there: then none of its statement is."""
        for start in range(0, len(rows), MOST_ROWS):
            some = rows[start : start + MOST_ROWS]
            statement = self.statement or f"insert into {self.view} values %s"
            db.conn.execute(_of(statement, len(self.columns), len(some)), list(chain.from_iterable(some)))


@cache
def _of(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement % ", ".join([row] * rows)
