"""What is deleted when its time has come: logs first, later the responses themselves; a little at a time."""

from __future__ import annotations

from itertools import chain
from typing import Final

from sqlite_utils import Database as Tables

from service.store.commit import Job
from service.store.database import Database
from service.store.daybook import forget

BATCH: Final = 200
"""Responses of one transaction: few enough that nobody who writes meanwhile notices."""


class Retention:
    """Deletes by age. Times are milliseconds since 1970."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire(self, now: int) -> int:
        """Deletes the responses whose time is over, with all that hangs on them; how many that were."""
        return await self._repeat(lambda db: _expire(db, now))

    async def drop_logs(self, finished_before: int) -> int:
        """Deletes the logs of responses that ended before that time; the responses stay. How many logs that were."""
        return await self._repeat(lambda db: _drop_logs(db, finished_before))

    async def forget_requests(self, made_before: int) -> int:
        """Forgets the ids of requests that are older; how many that were."""
        return await self._repeat(lambda db: _forget_requests(db, made_before))

    async def forget_acts(self, done_before: int) -> int:
        """Deletes what administrators did before that time from the audit log; how many events that were."""
        return await self._repeat(lambda db: _forget_acts(db, done_before))

    async def _repeat(self, job: Job[int]) -> int:
        total = 0
        while changed := await self._database.write(job):
            total += changed
        return total


def _expire(db: Tables, now: int) -> int:
    rows = db.conn.execute(
        "select id from responses where expires_at <= ? and status not in ('queued', 'in_progress') limit ?",
        (now, BATCH),
    ).fetchall()
    forget(db, chain.from_iterable(rows))
    db.conn.executemany("delete from responses where id = ?", rows)
    return len(rows)


def _forget_requests(db: Tables, made_before: int) -> int:
    return db.conn.execute(
        """delete from requests where (key_id, request_id) in (
             select key_id, request_id from requests where created_at < ? limit ?)""",
        (made_before, BATCH),
    ).rowcount


def _forget_acts(db: Tables, done_before: int) -> int:
    return db.conn.execute(
        "delete from audit_events where id in (select id from audit_events where created_at < ? limit ?)",
        (done_before, BATCH),
    ).rowcount


def _drop_logs(db: Tables, finished_before: int) -> int:
    rows = db.conn.execute(
        "select id from responses where finished_at < ? and log_dropped = 0 limit ?", (finished_before, BATCH)
    ).fetchall()
    forget(db, chain.from_iterable(rows))
    db.conn.executemany("delete from response_segments where response_id = ?", rows)
    db.conn.executemany("delete from steps where response_id = ?", rows)
    db.conn.executemany("update responses set log_dropped = 1 where id = ?", rows)
    return len(rows)
