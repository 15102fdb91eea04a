"""Memories on disk: what assistants noted about their users. There are few of each user, so they are ranked apart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlite_utils import Database as Tables

from service.store.database import Database
from service.store.sqlite import sqlite3


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """A memory. `created_at` is in milliseconds since 1970."""

    id: str
    assistant_id: str
    text: str
    response_id: str
    created_at: int


class MemoryStore:
    """Every method names the organization and the user: there is nothing that belongs to more than one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, org_id: str, user_id: str, row: MemoryRow, *, digest: bytes, most: int) -> bool:
        """Adds a memory, unless there is one with that `digest`, which then counts as new; whether it was added.

        Of the user and the assistant only the `most` newest stay.
        """

        def job(db: Tables) -> bool:
            owner = (org_id, user_id, row.assistant_id)
            known = db.conn.execute(
                """update memories set noted_at = ? where org_id = ? and user_id = ? and assistant_id = ?
                   and digest = ?""",
                (row.created_at, *owner, digest),
            ).rowcount
            if known:
                return False
            db.conn.execute(
                "insert into memories values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (row.id, *owner, row.text, digest, row.response_id, row.created_at, row.created_at),
            )
            db.conn.execute(
                """delete from memories where id in (select id from memories
                     where org_id = ? and user_id = ? and assistant_id = ?
                     order by noted_at desc, id desc limit -1 offset ?)""",
                (*owner, most),
            )
            return True

        return await self._database.write(job)

    async def of_assistant(self, org_id: str, user_id: str, assistant_id: str) -> Sequence[str]:
        """The texts that one assistant noted, the newest first."""

        def job(db: Tables) -> list[str]:
            rows = db.conn.execute(
                """select text from memories where org_id = ? and user_id = ? and assistant_id = ?
                   order by noted_at desc, id desc""",
                (org_id, user_id, assistant_id),
            )
            return [text for (text,) in rows]

        return await self._database.read(job)

    async def page(self, org_id: str, user_id: str, *, before: str, limit: int) -> Sequence[MemoryRow]:
        """At most `limit` memories of the user, the newest first, older than the id `before`."""

        def job(db: Tables) -> list[MemoryRow]:
            rows = db.conn.execute(
                """select id, assistant_id, text, response_id, created_at from memories
                   where org_id = :org and user_id = :user and (:before = '' or id < :before)
                   order by id desc limit :limit""",
                {"org": org_id, "user": user_id, "before": before, "limit": limit},
            )
            return [MemoryRow(*row) for row in rows]

        return await self._database.read(job)

    async def delete(self, org_id: str, user_id: str, memory_id: str | None = None) -> int:
        """Deletes the memory with that id, or all; how many that were."""

        def job(db: Tables) -> int:
            return db.conn.execute(
                "delete from memories where org_id = :org and user_id = :user and (:id is null or id = :id)",
                {"org": org_id, "user": user_id, "id": memory_id},
            ).rowcount

        return await self._database.write(job)


def ranked(texts: Sequence[str], words: Sequence[str]) -> Sequence[int]:
    """The places of those texts that have any of the words, the best first (BM25).

    The index lives as long as the call: nothing of it has to be erased, and no user's words weigh in another's.
    """
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.execute("create virtual table texts using fts5(text, tokenize='porter unicode61 remove_diacritics 2')")
        conn.executemany("insert into texts(rowid, text) values(?, ?)", enumerate(texts))
        wanted = " OR ".join('"{}"'.format(word.replace('"', '""')) for word in words)
        found = conn.execute("select rowid from texts where texts match ? order by rank, rowid", (wanted,))
        return [place for (place,) in found]
