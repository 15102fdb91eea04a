"""What the indexer has to do: files to read into the index, and passages to delete. One core at a time does each.

A claim is an `owner` until a time: who let it pass writes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.passages import delete_passages, write_passages

BATCH: Final = 50
"""Passages of one transaction: few enough that nobody who writes meanwhile notices."""


@dataclass(frozen=True, slots=True)
class Task:
    """A file of a vector store that has to be read, or cleared away where `reading` is False."""

    place: int
    org_id: str
    store_id: str
    file_id: str
    filename: str
    size: int
    most: int
    overlap: int
    reading: bool


class ReadingList:
    """What has to be done with the files of vector stores. `owner` is this core; times are in milliseconds."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def free(self) -> None:
        """Ends every claim: those who had one are gone."""
        await self._database.write(
            lambda db: db.conn.execute("update vector_store_files set claim = '' where claim <> ''").rowcount
        )

    async def claim(self, *, now: int, until: int) -> Task | None:
        """The next thing to do, which nobody else does until then; None where there is nothing."""
        if not await self._database.read(lambda db: _next(db, now)):
            return None

        def job(db: Tables) -> Task | None:
            found = _next(db, now)
            if found is None:
                return None
            db.conn.execute(
                "update vector_store_files set claim = ?, claimed_until = ? where id = ?",
                (self._owner, until, found.place),
            )
            return found

        return await self._database.write(job)

    async def clear(self, task: Task) -> None:
        """Deletes all passages of a file."""

        def job(db: Tables) -> int:
            return delete_passages(db, task.org_id, task.place, limit=BATCH)

        while await self._database.write(job):
            pass

    async def add(self, task: Task, start: int, texts: Sequence[str], *, until: int) -> bool:
        """Adds passages and holds the claim on. Whether it still was one: if not, nothing is written."""

        def job(db: Tables) -> bool:
            held = db.conn.execute(
                """update vector_store_files set claimed_until = ?
                   where id = ? and claim = ? and status = 'in_progress'""",
                (until, task.place, self._owner),
            ).rowcount
            if held:
                write_passages(db, task.org_id, task.store_id, place=task.place, start=start, texts=texts)
            return bool(held)

        return await self._database.write(job)

    async def finish(self, task: Task, size: int) -> None:
        """The file can be found now; `size` is the bytes of its text."""
        await self._end(task, "completed", size=size)

    async def fail(self, task: Task, code: str, message: str) -> None:
        """The file can't be read."""
        await self._end(task, "failed", code=code, message=message)

    async def _end(self, task: Task, status: str, *, size: int = 0, code: str = "", message: str = "") -> None:
        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_store_files set status = ?, size = ?, error_code = ?, error_message = ?, claim = ''
                   where id = ? and claim = ? and status = 'in_progress'""",
                (status, size, code, message, task.place, self._owner),
            )

        await self._database.write(job)

    async def release(self, task: Task) -> None:
        """Ends the claim, so that what is left to do can be done by anyone."""
        await self._database.write(
            lambda db: (
                db.conn.execute(
                    "update vector_store_files set claim = '' where id = ? and claim = ?", (task.place, self._owner)
                ).rowcount
            )
        )

    async def cleared(self, task: Task) -> None:
        """Nothing is left of it: a row that stood for a deleted file goes, one that failed or was cancelled stays."""

        def job(db: Tables) -> None:
            db.conn.execute("delete from vector_store_files where id = ? and status = 'deleted'", (task.place,))
            db.conn.execute(
                """update vector_store_files set swept = 1, claim = ''
                   where id = ? and status in ('failed', 'cancelled')""",
                (task.place,),
            )

        await self._database.write(job)


def _next(db: Tables, now: int) -> Task | None:
    found = db.conn.execute(
        """select s.id, f.org_id, s.vector_store_id, s.file_id, f.filename, f.size, s.chunk_tokens, s.overlap_tokens,
             s.status = 'in_progress'
           from vector_store_files s join files f on f.id = s.file_id
           where s.swept = 0 and s.status <> 'completed' and (s.claim = '' or s.claimed_until < ?)
           order by s.id limit 1""",
        (now,),
    ).fetchone()
    return Task(*found) if found else None
