"""One transaction for all that was asked for meanwhile: what one job or the disk refuses spoils nothing for others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.rows import MOST_ROWS, Row, Rows, add
from service.store.sqlite import sqlite3

T = TypeVar("T")
Job = Callable[[Tables], T]

OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)

UNAVAILABLE = "storage_unavailable"

log = logging.getLogger(__name__)


class Told(Protocol):
    """Who hears what came of something that was asked for."""

    def settle(self, outcome: Any) -> None:
        """Takes a result, or the exception in its place. Must not raise: it is one of many."""


@dataclass(slots=True)
class Request:
    """A job that somebody waits for; one that is `alone` runs in no transaction."""

    job: Job[Any]
    told: Sequence[Told]
    alone: bool = False

    def apart(self) -> list[Request]:
        """What of it can be refused by itself."""
        return [self]


@dataclass(slots=True)
class Batch:
    """Rows of one kind, each of which somebody waits for: they are added in one go."""

    kind: Rows
    rows: list[Row] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    alone: bool = False

    def apart(self) -> list[Request]:
        """Each row as a request of its own."""
        return [
            Request(partial(_single, self.kind, row), (told,)) for row, told in zip(self.rows, self.told, strict=True)
        ]


Asked = Request | Batch


def commit(tables: Tables, group: Sequence[Asked], *, guarded: bool = False) -> list[Any]:
    """Runs the group in one transaction; an outcome for each who is told: a result, or the exception in its place.

    Hardly a job ever raises: where one does, the group is run again, with each job `guarded` from the others by a
    savepoint of its own. What the disk refuses to a group it may grant to some of it: each is then tried by itself.
    """
    conn = tables.conn
    try:
        return _attempts(tables, group) if guarded else _run(tables, group)
    except Exception as error:
        if conn.in_transaction:
            conn.execute("rollback")
        if not is_outage(error):
            if guarded:
                raise
            return commit(tables, _apart(group), guarded=True)
        if len(several := _apart(group)) > 1:
            return [outcome for request in several for outcome in commit(tables, [request])]
        log.error("the database refused a transaction: %s", error)
        return [unavailable()]


def outside(tables: Tables, request: Asked) -> Any:
    """Runs one job in no transaction; an outcome as of `commit`."""
    try:
        return cast(Request, request).job(tables)
    except Exception as error:  # noqa: BLE001 - it is the caller's, and the writer goes on
        return unavailable() if is_outage(error) else error


def is_outage(error: Exception) -> bool:
    """Whether it is the disk or a lock that failed, and not our SQL."""
    # Our own errors and those of the Python module itself have no code.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in OUTAGES


def unavailable() -> NodexaError:
    """What a caller is told of an outage."""
    return NodexaError(UNAVAILABLE, "The database can't be used now; try again.", retry_after=1)


def _single(kind: Rows, row: Row, db: Tables) -> None:
    kind.singly(db, row)


def _apart(group: Sequence[Asked]) -> list[Request]:
    return [request for asked in group for request in asked.apart()]


def _run(tables: Tables, group: Sequence[Asked]) -> list[Any]:
    kinds: dict[int, tuple[Rows, list[Row]]] = {}
    outcomes: list[Any] = []
    begun = False
    for asked in group:
        if isinstance(asked, Batch):
            kinds.setdefault(asked.kind.place, (asked.kind, []))[1].extend(asked.rows)
            outcomes += [None] * len(asked.rows)
            continue
        if not begun:
            tables.conn.execute("begin immediate")
            begun = True
        outcomes.append(asked.job(tables))
    # One statement is a transaction by itself.
    if not begun and sum(len(rows) for _, rows in kinds.values()) > MOST_ROWS:
        tables.conn.execute("begin immediate")
        begun = True
    if kinds:
        add(tables, [kinds[place] for place in sorted(kinds)])
    if begun:
        tables.conn.execute("commit")
    return outcomes


def _attempts(tables: Tables, group: Sequence[Asked]) -> list[Any]:
    tables.conn.execute("begin immediate")
    outcomes = [_attempt(tables, request) for request in _apart(group)]
    tables.conn.execute("commit")
    return outcomes


def _attempt(tables: Tables, request: Request) -> Any:
    conn = tables.conn
    conn.execute("savepoint job")
    try:
        outcome = request.job(tables)
    except Exception as error:
        if is_outage(error):
            raise
        conn.execute("rollback to job")
        outcome = error
    conn.execute("release job")
    return outcome
