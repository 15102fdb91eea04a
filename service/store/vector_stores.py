"""Vector stores on disk, and how their files stand."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.store.database import Database

DAY: Final = 24 * 3600 * 1000
COUNTED: Final = ("in_progress", "completed", "failed", "cancelled")
_ROW: Final = "id, name, description, metadata, expires_after_days, created_at, active_at"
_EXPIRED: Final = f"expires_after_days > 0 and active_at + expires_after_days * {DAY} < :now"
ACTIVE_TO: Final = 60_000
"""Milliseconds: that somebody uses a store is written down no more often."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many files stand how, by the words of COUNTED, and the bytes of their text."""

    counts: Mapping[str, int]
    size: int = 0


@dataclass(frozen=True, slots=True)
class VectorStoreRow:
    """A vector store without its files. Times are in milliseconds; 0 days mean that it never expires."""

    id: str
    name: str
    description: str
    metadata: Mapping[str, str]
    expires_after_days: int
    created_at: int
    active_at: int

    def expires_at(self) -> int | None:
        """When its time is over, unless it is used before."""
        return self.active_at + self.expires_after_days * DAY if self.expires_after_days else None

    def expired(self, now: int) -> bool:
        """Whether its time is over."""
        end = self.expires_at()
        return end is not None and end < now


class VectorStores:
    """All reads name the organization; an id of another one is as unknown as one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, org_id: str, row: VectorStoreRow) -> None:
        """Writes a new one."""

        def job(db: Tables) -> None:
            db.conn.execute(
                f"insert into vector_stores(org_id, {_ROW}) values(?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    org_id,
                    row.id,
                    row.name,
                    row.description,
                    json.dumps(dict(row.metadata)),
                    row.expires_after_days,
                    row.created_at,
                    row.active_at,
                ),
            )

        await self._database.write(job, new_work=True)

    async def get(self, org_id: str, store_id: str) -> VectorStoreRow | None:
        """The vector store, or None."""
        found = await self.among(org_id, [store_id])
        return found[0] if found else None

    async def among(self, org_id: str, store_ids: Collection[str]) -> Sequence[VectorStoreRow]:
        """Those that there are."""

        def job(db: Tables) -> Sequence[VectorStoreRow]:
            found = db.conn.execute(
                f"""select {_ROW} from vector_stores where org_id = ? and deleted = 0
                    and id in (select value from json_each(?))""",
                (org_id, json.dumps(list(store_ids))),
            )
            return [_read(row) for row in found]

        return await self._database.read(job)

    async def page(self, org_id: str, *, after: str, oldest_first: bool, limit: int) -> Sequence[VectorStoreRow]:
        """At most `limit` behind the id `after`."""
        beyond, order = (">", "asc") if oldest_first else ("<", "desc")

        def job(db: Tables) -> Sequence[VectorStoreRow]:
            found = db.conn.execute(
                f"""select {_ROW} from vector_stores where org_id = :org and deleted = 0
                    and (:after = '' or id {beyond} :after) order by id {order} limit :limit""",
                {"org": org_id, "after": after, "limit": limit},
            )
            return [_read(row) for row in found]

        return await self._database.read(job)

    async def update(self, org_id: str, row: VectorStoreRow) -> None:
        """Writes name, metadata and expiry anew."""

        def job(db: Tables) -> None:
            db.conn.execute(
                """update vector_stores set name = ?, metadata = ?, expires_after_days = ?
                   where id = ? and org_id = ? and deleted = 0""",
                (row.name, json.dumps(dict(row.metadata)), row.expires_after_days, row.id, org_id),
            )

        await self._database.write(job)

    async def used(self, rows: Collection[VectorStoreRow], *, now: int) -> None:
        """Notes that somebody used them."""
        stale = [(now, row.id) for row in rows if row.active_at + ACTIVE_TO < now]
        if stale:
            await self._database.write(
                lambda db: db.conn.executemany("update vector_stores set active_at = ? where id = ?", stale).rowcount
            )

    async def delete(self, org_id: str, store_id: str) -> None:
        """Makes it unknown at once. What hangs on it goes with `sweep`, its files' passages with the indexer."""

        def job(db: Tables) -> None:
            if db.conn.execute(
                "update vector_stores set deleted = 1 where id = ? and org_id = ? and deleted = 0", (store_id, org_id)
            ).rowcount:
                _empty(db, store_id)

        await self._database.write(job)

    async def tallies(self, store_ids: Collection[str]) -> Mapping[str, Tally]:
        """How the files of each stand. The caller knows whose they are."""

        def job(db: Tables) -> Mapping[str, Tally]:
            found = db.conn.execute(
                """select vector_store_id, status, count(*), sum(size) from vector_store_files
                   where vector_store_id in (select value from json_each(?)) and status <> 'deleted'
                   group by vector_store_id, status""",
                (json.dumps(list(store_ids)),),
            ).fetchall()
            return {
                name: Tally(
                    {status: count for of, status, count, _ in found if of == name},
                    sum(size for of, _, _, size in found if of == name),
                )
                for name in store_ids
            }

        return await self._database.read(job)

    async def expire(self, *, now: int) -> int:
        """Takes all files out of those whose time is over; how many files that were."""

        def job(db: Tables) -> int:
            return db.conn.execute(
                f"""update vector_store_files set status = 'deleted', swept = 0 where status <> 'deleted'
                    and vector_store_id in (select id from vector_stores where {_EXPIRED})""",
                {"now": now},
            ).rowcount

        return await self._database.write(job)

    async def sweep(self) -> int:
        """Deletes the rows of those that are unknown now and have no files any more; how many that were."""

        def job(db: Tables) -> int:
            return db.conn.execute(
                """delete from vector_stores where deleted = 1
                   and not exists (select 1 from vector_store_files where vector_store_id = vector_stores.id)"""
            ).rowcount

        return await self._database.write(job)


def _empty(db: Tables, store_id: str) -> None:
    db.conn.execute(
        "update vector_store_files set status = 'deleted', swept = 0 where vector_store_id = ?", (store_id,)
    )


def _read(row: tuple[str, str, str, str, int, int, int]) -> VectorStoreRow:
    name, title, description, metadata, days, created_at, active_at = row
    return VectorStoreRow(name, title, description, json.loads(metadata), days, created_at, active_at)
