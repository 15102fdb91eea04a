"""Claims on disk: what applications know about their users, a row for each key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.database import Database

MOST: Final = 1000
"""Claims of one user."""
MOST_BYTES: Final = 4 * 1024 * 1024
"""Of the values of one user together."""


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim: `value` is JSON text. Times are milliseconds since 1970."""

    key: str
    value: str
    created_at: int
    updated_at: int


class ClaimStore:
    """Every method names the organization and the user: there is nothing that belongs to more than one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, org_id: str, user_id: str, rows: Iterable[ClaimRow]) -> None:
        """Adds claims, or changes those that are there; of these the time of making stays.

        Raises NodexaError `too_many_claims` where the user would have too much, and then changes nothing.
        """
        values = [(org_id, user_id, row.key, row.value, row.created_at, row.updated_at) for row in rows]

        def job(db: Tables) -> None:
            db.conn.executemany(
                """insert into claims values(?, ?, ?, ?, ?, ?) on conflict do update
                   set value = excluded.value, updated_at = excluded.updated_at""",
                values,
            )
            number, size = db.conn.execute(
                """select count(*), sum(length(cast(value as blob))) from claims
                   where org_id = ? and user_id = ?""",
                (org_id, user_id),
            ).fetchone()
            if number > MOST or (size or 0) > MOST_BYTES:
                raise NodexaError(
                    "too_many_claims",
                    f"A user has at most {MOST} claims, of {MOST_BYTES >> 20} MB together; delete some first.",
                    param="claims",
                )

        await self._database.write(job, new_work=True)

    async def all(self, org_id: str, user_id: str) -> Sequence[ClaimRow]:
        """The user's claims by key."""

        def job(db: Tables) -> list[ClaimRow]:
            rows = db.conn.execute(
                """select key, value, created_at, updated_at from claims where org_id = ? and user_id = ?
                   order by key""",
                (org_id, user_id),
            )
            return [ClaimRow(*row) for row in rows]

        return await self._database.read(job)

    async def delete(self, org_id: str, user_id: str, key: str | None = None) -> int:
        """Deletes the claim with that key, or all; how many that were."""

        def job(db: Tables) -> int:
            return db.conn.execute(
                "delete from claims where org_id = :org and user_id = :user and (:key is null or key = :key)",
                {"org": org_id, "user": user_id, "key": key},
            ).rowcount

        return await self._database.write(job)
