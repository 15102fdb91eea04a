"""The files of vector stores on disk: what is to be read of them, how they stand, and in which batch they came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.vector_stores import Tally

Attributes = Mapping[str, str | float | bool]

_ROW: Final = """s.id, s.file_id, s.vector_store_id, s.created_at, s.status, s.error_code, s.error_message, s.size,
  s.attributes, s.chunk_tokens, s.overlap_tokens, s.passages, s.embedded"""
_KNOWN: Final = "s.status <> 'deleted'"


@dataclass(frozen=True, slots=True)
class New:
    """A file to add. `overlap` words of each passage of `most` begin the next one."""

    file_id: str
    attributes: Attributes
    most: int
    overlap: int


@dataclass(frozen=True, slots=True)
class StoreFileRow:
    """A file in a vector store. `place` is the row's own number; times are in milliseconds.

    `passages` are written so far, and `embedded` of them have vectors.
    """

    place: int
    file_id: str
    store_id: str
    created_at: int
    status: str
    error_code: str
    error_message: str
    size: int
    attributes: Attributes
    most: int
    overlap: int
    passages: int
    embedded: int

    @property
    def id(self) -> str:
        """What lists go by: a file stands in a vector store once."""
        return self.file_id


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Files that were added together. `created_at` is in milliseconds."""

    id: str
    store_id: str
    created_at: int
    cancelled: bool


class StoreFiles:
    """The caller knows whose a vector store is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def missing(self, org_id: str, file_ids: Sequence[str], *, now: int) -> Sequence[str]:
        """Those that are no files of the organization."""

        def job(db: Tables) -> Sequence[str]:
            known = {
                row[0]
                for row in db.conn.execute(
                    """select id from files where id in (select value from json_each(?)) and org_id = ?
                       and complete = 1 and deleted = 0 and coalesce(expires_at, ?) >= ?""",
                    (json.dumps(list(file_ids)), org_id, now, now),
                )
            }
            return [name for name in file_ids if name not in known]

        return await self._database.read(job)

    async def add(self, store_id: str, files: Sequence[New], *, now: int, batch_id: str = "") -> None:
        """Adds files, in the place of those that were there. A batch is made where it has an id."""

        def job(db: Tables) -> None:
            if batch_id:
                db.conn.execute(
                    "insert into vector_store_batches(id, vector_store_id, created_at) values(?, ?, ?)",
                    (batch_id, store_id, now),
                )
            db.conn.executemany(
                """update vector_store_files set status = 'deleted', swept = 0
                   where vector_store_id = ? and file_id = ?""",
                [(store_id, file.file_id) for file in files],
            )
            db.conn.executemany(
                """insert into vector_store_files(
                     vector_store_id, file_id, batch_id, status, attributes, chunk_tokens, overlap_tokens, created_at)
                   values(?, ?, ?, 'in_progress', ?, ?, ?, ?)""",
                [
                    (store_id, file.file_id, batch_id, json.dumps(dict(file.attributes)), file.most, file.overlap, now)
                    for file in files
                ],
            )

        await self._database.write(job, new_work=True)

    async def get(self, store_id: str, file_id: str) -> StoreFileRow | None:
        """The file in the vector store, or None."""

        def job(db: Tables) -> StoreFileRow | None:
            found = db.conn.execute(
                f"select {_ROW} from vector_store_files s where vector_store_id = ? and file_id = ? and {_KNOWN}",
                (store_id, file_id),
            ).fetchone()
            return _read(found) if found else None

        return await self._database.read(job)

    async def page(
        self, store_id: str, *, batch_id: str, status: str, after: str, oldest_first: bool, limit: int
    ) -> Sequence[StoreFileRow] | None:
        """At most `limit` files behind `after`, of one batch or status where that isn't empty.

        None where `after` is no file of the vector store.
        """
        beyond, order = (">", "asc") if oldest_first else ("<", "desc")

        def job(db: Tables) -> Sequence[StoreFileRow] | None:
            named = {"store": store_id, "batch": batch_id, "status": status, "after": after, "limit": limit}
            place = db.conn.execute(
                f"""select s.id from vector_store_files s
                    where vector_store_id = :store and file_id = :after and {_KNOWN}""",
                named,
            ).fetchone()
            if after and place is None:
                return None
            found = db.conn.execute(
                f"""select {_ROW} from vector_store_files s where vector_store_id = :store and {_KNOWN}
                    and (:batch = '' or batch_id = :batch) and (:status = '' or status = :status)
                    and (:after = '' or s.id {beyond} :place) order by s.id {order} limit :limit""",
                named | {"place": place[0] if place else 0},
            )
            return [_read(row) for row in found]

        return await self._database.read(job)

    async def update(self, store_id: str, file_id: str, attributes: Attributes) -> None:
        """Replaces what is noted of a file."""

        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_store_files set attributes = ?
                   where vector_store_id = ? and file_id = ? and status <> 'deleted'""",
                (json.dumps(dict(attributes)), store_id, file_id),
            )

        await self._database.write(job)

    async def remove(self, store_id: str, file_id: str) -> None:
        """Takes a file out. Its passages go with the indexer."""

        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_store_files set status = 'deleted', swept = 0
                   where vector_store_id = ? and file_id = ?""",
                (store_id, file_id),
            )

        await self._database.write(job)

    async def batch(self, store_id: str, batch_id: str) -> tuple[BatchRow, Tally] | None:
        """A batch and how its files stand; None where there is none."""

        def job(db: Tables) -> tuple[BatchRow, Tally] | None:
            found = db.conn.execute(
                """select id, vector_store_id, created_at, cancelled from vector_store_batches
                   where id = ? and vector_store_id = ?""",
                (batch_id, store_id),
            ).fetchone()
            if found is None:
                return None
            counts = db.conn.execute(
                f"""select s.status, count(*) from vector_store_files s
                    where batch_id = ? and {_KNOWN} group by s.status""",
                (batch_id,),
            )
            return BatchRow(*found), Tally(dict(counts.fetchall()))

        return await self._database.read(job)

    async def cancel(self, store_id: str, batch_id: str) -> None:
        """Gives up the files of a batch that were not read yet."""

        def job(db: Tables) -> None:
            cancelled = db.conn.execute(
                """update vector_store_files set status = 'cancelled', swept = 0
                   where vector_store_id = ? and batch_id = ? and status = 'in_progress'""",
                (store_id, batch_id),
            ).rowcount
            if cancelled:
                db.conn.execute("update vector_store_batches set cancelled = 1 where id = ?", (batch_id,))

        await self._database.write(job)


def _read(row: tuple[Any, ...]) -> StoreFileRow:
    fields = [*row]
    fields[8] = json.loads(row[8])
    return StoreFileRow(*fields)
