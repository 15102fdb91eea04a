"""What the indexer has to do: files to read and to embed, and passages to delete. One core at a time does each.

A claim is an `owner` until a time: who let it pass writes nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.passages import delete_passages, write_passages
from service.store.vectors import empty_vectors, lacking, write_vectors

BATCH: Final = 50
"""Passages of one transaction: few enough that nobody who writes meanwhile notices."""


@dataclass(frozen=True, slots=True)
class Task:
    """A file of a vector store. What has to be done follows from its status.

    One in progress has to be read, unless it has been `read`, and then embedded; of one that is completed only the
    vectors are missing; any other has to be cleared away.
    """

    place: int
    org_id: str
    store_id: str
    file_id: str
    filename: str
    size: int
    most: int
    overlap: int
    status: str
    read: bool


@dataclass(frozen=True, slots=True)
class Lacking:
    """A passage that has to be embedded: its number, its place in the file, and its text."""

    passage: int
    place: int
    text: str


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

    async def claim(self, *, now: int, until: int, model: str) -> Task | None:
        """The next thing to do, which nobody else does until then; None where there is nothing.

        Files without all vectors of `model` come last, and not at all where it is empty.
        """
        if not await self._database.read(lambda db: _next(db, now, model)):
            return None

        def job(db: Tables) -> Task | None:
            found = _next(db, now, model)
            if found is None:
                return None
            db.conn.execute(
                "update vector_store_files set claim = ?, claimed_until = ? where id = ?",
                (self._owner, until, found.place),
            )
            return found

        return await self._database.write(job)

    async def clear(self, task: Task) -> None:
        """Deletes all passages of a file, and their vectors with them."""

        def job(db: Tables) -> int:
            return delete_passages(db, task.org_id, task.place, limit=BATCH)

        while await self._database.write(job):
            pass

    async def add(self, task: Task, start: int, texts: Sequence[str], *, until: int) -> bool:
        """Adds passages and holds the claim on. Whether it still was one: if not, nothing is written."""

        def job(db: Tables) -> bool:
            held = self._held(db, task, until=until, sets="passages = ?", values=(start + len(texts),))
            if held:
                write_passages(db, task.org_id, task.store_id, place=task.place, start=start, texts=texts)
            return held

        return await self._database.write(job)

    async def read(self, task: Task, size: int, *, until: int) -> bool:
        """All passages of the file are written; `size` is the bytes of its text. Whether the claim held."""
        return await self._database.write(lambda db: self._held(db, task, until=until, sets="size = ?", values=(size,)))

    async def lacking(self, task: Task, model: str, *, limit: int) -> Sequence[Lacking]:
        """The next passages of a file that have no vector of the model."""
        return await self._database.read(
            lambda db: [Lacking(*row) for row in lacking(db, task.org_id, task.place, model=model, limit=limit)]
        )

    async def embed(self, task: Task, model: str, found: Sequence[tuple[Lacking, bytes]], *, until: int) -> bool:
        """Writes vectors, which come in the order of the file, and holds the claim on. As `add`."""

        def job(db: Tables) -> bool:
            reached = found[-1][0].place + 1
            held = self._held(db, task, until=until, sets="embedded = ?", values=(reached,))
            if held:
                write_vectors(db, model, [(each.passage, data) for each, data in found])
            return held

        return await self._database.write(job)

    async def unreadable(self, task: Task) -> int:
        """How many passages of a file could not be embedded."""
        return await self._database.read(lambda db: empty_vectors(db, task.place))

    async def finish(self, task: Task, *, embedder: str = "", note: str = "", again: int = 0) -> None:
        """The file can be found now, and has all vectors of the model `embedder`.

        Where that is empty, they are missing as the `note` says, and are looked for `again` at that time.
        """

        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_store_files set status = 'completed', claim = '', embedder = ?, embed_after = ?,
                     error_code = ?, error_message = ? where id = ? and claim = ?
                     and status in ('in_progress', 'completed')""",
                (embedder, again, "server_error" if note else "", note, task.place, self._owner),
            )

        await self._database.write(job)

    async def fail(self, task: Task, code: str, message: str) -> None:
        """The file can't be read."""

        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_store_files set status = 'failed', size = 0, passages = 0, embedded = 0,
                     error_code = ?, error_message = ?, claim = ''
                   where id = ? and claim = ? and status = 'in_progress'""",
                (code, message, task.place, self._owner),
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
                """update vector_store_files set swept = 1, claim = '', size = 0, passages = 0, embedded = 0
                   where id = ? and status in ('failed', 'cancelled')""",
                (task.place,),
            )

        await self._database.write(job)

    async def forget_notes(self) -> None:
        """Nobody embeds anything any more: what that lacked is no lack now."""
        await self._database.write(
            lambda db: (
                db.conn.execute(
                    """update vector_store_files set error_code = '', error_message = ''
                       where status = 'completed' and error_code <> ''"""
                ).rowcount
            )
        )

    async def outdated(self, model: str) -> int:
        """How many files can be found whose vectors are not all of this model."""
        return await self._database.read(
            lambda db: int(
                db.conn.execute(f"select count(*) from vector_store_files s where {_LACKS}", (model, model)).fetchone()[
                    0
                ]
            )
        )

    def _held(self, db: Tables, task: Task, *, until: int, sets: str, values: tuple[int, ...]) -> bool:
        return bool(
            db.conn.execute(
                f"""update vector_store_files set claimed_until = ?, {sets}
                    where id = ? and claim = ? and status = ?""",
                (until, *values, task.place, self._owner, task.status),
            ).rowcount
        )


_LACKS: Final = "s.status = 'completed' and (s.embedder < ? or s.embedder > ?)"
_SELECT: Final = """select s.id, f.org_id, s.vector_store_id, s.file_id, f.filename, f.size, s.chunk_tokens,
  s.overlap_tokens, s.status, s.size > 0 from vector_store_files s join files f on f.id = s.file_id"""


def _next(db: Tables, now: int, model: str) -> Task | None:
    found = db.conn.execute(
        f"""{_SELECT} where s.swept = 0 and s.status <> 'completed' and (s.claim = '' or s.claimed_until < ?)
            order by s.id limit 1""",
        (now,),
    ).fetchone()
    if found is None and model:
        found = db.conn.execute(
            f"""{_SELECT} where {_LACKS} and s.embed_after <= ? and (s.claim = '' or s.claimed_until < ?) limit 1""",
            (model, model, now, now),
        ).fetchone()
    return Task(*found) if found else None
