"""Files on disk: a row, and a row for each piece of their bytes. What is not complete yet is nobody's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.store.database import Database

_ROW: Final = "id, filename, purpose, size, created_at, expires_at"
_READABLE: Final = "complete = 1 and deleted = 0 and coalesce(expires_at, :now) >= :now"
BATCH: Final = 32
"""Pieces deleted in one transaction: the log must not swell with what is thrown away."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file without its bytes. Times are in milliseconds; `purpose` is a number of File.Purpose."""

    id: str
    filename: str
    purpose: int
    size: int
    created_at: int
    expires_at: int | None = None


class FileStore:
    """All reads name the organization; an id of another one is as unknown as one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, org_id: str, row: FileRow, data: bytes) -> None:
        """Writes a whole file."""

        def job(db: Tables) -> None:
            _insert(db, org_id, row, complete=True)
            _append(db, row.id, 0, data)

        await self._database.write(job, new_work=True)

    async def begin(self, org_id: str, row: FileRow, data: bytes) -> None:
        """Writes the first piece of a file to be."""

        def job(db: Tables) -> None:
            _insert(db, org_id, row, complete=False)
            _append(db, row.id, 0, data)

        await self._database.write(job, new_work=True)

    async def extend(self, org_id: str, upload_id: str, offset: int, data: bytes) -> None:
        """Writes the next piece of a file to be, unless it was written before."""

        def job(db: Tables) -> None:
            changed = db.conn.execute(
                "update files set size = size + ? where id = ? and org_id = ? and complete = 0 and size = ?",
                (len(data), upload_id, org_id, offset),
            ).rowcount
            if changed:
                _append(db, upload_id, offset, data)

        await self._database.write(job, new_work=True)

    async def uploaded(self, org_id: str, upload_id: str) -> int | None:
        """How many bytes of a file to be are written; None where there is none."""

        def job(db: Tables) -> int | None:
            found = db.conn.execute(
                "select size from files where id = ? and org_id = ? and complete = 0", (upload_id, org_id)
            ).fetchone()
            return found[0] if found else None

        return await self._database.read(job)

    async def complete(self, org_id: str, row: FileRow) -> bool:
        """Makes a file of what was written under its id. Whether there was anything."""

        def job(db: Tables) -> bool:
            return bool(
                db.conn.execute(
                    """update files set filename = ?, purpose = ?, created_at = ?, expires_at = ?, complete = 1
                       where id = ? and org_id = ? and complete = 0""",
                    (row.filename, row.purpose, row.created_at, row.expires_at, row.id, org_id),
                ).rowcount
            )

        return await self._database.write(job)

    async def get(self, org_id: str, file_id: str, *, now: int) -> FileRow | None:
        """The file, or None."""

        def job(db: Tables) -> FileRow | None:
            found = db.conn.execute(
                f"select {_ROW} from files where id = :id and org_id = :org and {_READABLE}",
                {"id": file_id, "org": org_id, "now": now},
            ).fetchone()
            return FileRow(*found) if found else None

        return await self._database.read(job)

    async def page(
        self, org_id: str, *, after: str, purpose: int, oldest_first: bool, limit: int, now: int
    ) -> Sequence[FileRow]:
        """At most `limit` files behind the id `after`; purpose 0 is any."""
        beyond, order = (">", "asc") if oldest_first else ("<", "desc")

        def job(db: Tables) -> Sequence[FileRow]:
            found = db.conn.execute(
                f"""select {_ROW} from files where org_id = :org and {_READABLE}
                    and (:after = '' or id {beyond} :after) and (:purpose = 0 or purpose = :purpose)
                    order by id {order} limit :limit""",
                {"org": org_id, "after": after, "purpose": purpose, "limit": limit, "now": now},
            )
            return [FileRow(*row) for row in found]

        return await self._database.read(job)

    async def piece(self, file_id: str, start: int) -> bytes:
        """The bytes from `start` on that were written as one; empty at the end. The caller knows whose they are."""

        def job(db: Tables) -> bytes:
            found = db.conn.execute(
                "select data from file_pieces where file_id = ? and start = ?", (file_id, start)
            ).fetchone()
            return found[0] if found else b""

        return await self._database.read(job)

    async def delete(self, org_id: str, file_id: str) -> None:
        """Makes it unknown at once, in vector stores too. Its bytes go with `sweep`."""

        def job(db: Tables) -> None:
            if db.conn.execute(
                "update files set deleted = 1 where id = ? and org_id = ? and deleted = 0", (file_id, org_id)
            ).rowcount:
                _take_out(db, file_id)

        await self._database.write(job)

    async def expire(self, *, now: int, uploaded_before: int) -> int:
        """Makes unknown what its time is over for, and what was never completed; how many that were."""

        def job(db: Tables) -> int:
            due = db.conn.execute(
                """select id from files where deleted = 0 and (expires_at < ? or complete = 0 and created_at < ?)
                   limit 100""",
                (now, uploaded_before),
            ).fetchall()
            for (file_id,) in due:
                db.conn.execute("update files set deleted = 1 where id = ?", (file_id,))
                _take_out(db, file_id)
            return len(due)

        return await self._database.write(job)

    async def sweep(self) -> int:
        """Deletes some of the bytes of files that are unknown now, and at last their rows; 0 when nothing is left."""
        return await self._database.write(_sweep)


def _sweep(db: Tables) -> int:
    found = db.conn.execute(
        """select id from files f where deleted = 1
           and not exists (select 1 from vector_store_files where file_id = f.id) limit 1"""
    ).fetchone()
    if found is None:
        return 0
    deleted = db.conn.execute(
        """delete from file_pieces where rowid in (select rowid from file_pieces where file_id = ? limit ?)""",
        (found[0], BATCH),
    ).rowcount
    return deleted or db.conn.execute("delete from files where id = ?", found).rowcount


def _insert(db: Tables, org_id: str, row: FileRow, *, complete: bool) -> None:
    db.conn.execute(
        """insert into files(id, org_id, filename, purpose, size, complete, created_at, expires_at)
           values(?, ?, ?, ?, ?, ?, ?, ?)""",
        (row.id, org_id, row.filename, row.purpose, row.size, complete, row.created_at, row.expires_at),
    )


def _append(db: Tables, file_id: str, start: int, data: bytes) -> None:
    if data:
        db.conn.execute("insert into file_pieces values(?, ?, ?)", (file_id, start, data))


def _take_out(db: Tables, file_id: str) -> None:
    db.conn.execute("update vector_store_files set status = 'deleted', swept = 0 where file_id = ?", (file_id,))
