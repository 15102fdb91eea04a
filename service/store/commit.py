"""One transaction for all that was asked for meanwhile: what one job or the disk refuses spoils nothing for others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.rows import MOST_ROWS, Row, Rows, Shared
from service.store.sqlite import sqlite3
from service.store.written import Written

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


@dataclass(slots=True)
class Request:
    """A job that somebody waits for; one that is `alone` runs in no transaction."""

    job: Job[Any]
    written: Written[Any]
    alone: bool = False


def commit(tables: Tables, group: Sequence[Request], *, guarded: bool = False) -> list[Any]:
    """Runs the group in one transaction; an outcome is a result, or the exception in its place.

    Hardly a job ever raises: where one does, the group is run again, with each job `guarded` from the others by a
    savepoint of its own. What the disk refuses to a group it may grant to some of it: each is then tried by itself.
    """
    conn = tables.conn
    try:
        if not guarded and (whole := _one_statement(group)):
            whole[0].rows.add(tables, [job.row for job in whole])
            return [None] * len(group)
        conn.execute("begin immediate")
        outcomes = [_attempt(tables, request) for request in group] if guarded else _run(tables, group)
        conn.execute("commit")
    except Exception as error:
        if conn.in_transaction:
            conn.execute("rollback")
        if not is_outage(error):
            if guarded:
                raise
            return commit(tables, group, guarded=True)
        if len(group) > 1:
            return [outcome for request in group for outcome in commit(tables, [request])]
        log.error("the database refused a transaction: %s", error)
        return [unavailable()]
    return outcomes


def outside(tables: Tables, request: Request) -> Any:
    """Runs one job in no transaction; an outcome as of `commit`."""
    try:
        return request.job(tables)
    except Exception as error:  # noqa: BLE001 - it is the caller's, and the writer goes on
        return unavailable() if is_outage(error) else error


def is_outage(error: Exception) -> bool:
    """Whether it is the disk or a lock that failed, and not our SQL."""
    # Our own errors and those of the Python module itself have no code.
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in OUTAGES


def unavailable() -> NodexaError:
    """What a caller is told of an outage."""
    return NodexaError(UNAVAILABLE, "The database can't be used now; try again.", retry_after=1)


def _one_statement(group: Sequence[Request]) -> list[Shared]:
    """The jobs of a group that takes one statement, which is a transaction by itself; else none."""
    first = group[0].job
    if not isinstance(first, Shared) or len(group) > MOST_ROWS:
        return []
    rows = first.rows
    jobs = [request.job for request in group if isinstance(request.job, Shared) and request.job.rows is rows]
    return jobs if len(jobs) == len(group) else []


def _run(tables: Tables, group: Sequence[Request]) -> list[Any]:
    outcomes: list[Any] = []
    shared: dict[str, tuple[Rows, list[Row]]] = {}
    for request in group:
        job = request.job
        if isinstance(job, Shared):
            shared.setdefault(job.rows.view, (job.rows, []))[1].append(job.row)
            outcomes.append(None)
        else:
            outcomes.append(job(tables))
    for rows, those in sorted(shared.values(), key=lambda kind: kind[0].place):
        rows.add(tables, those)
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
