"""All that is kept of one user: found for an archive, and erased so that no file of the database holds it any more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from nodexa.v1.item_pb2 import ItemList
from sqlite_utils import Database as Tables

from service.ids import message_of
from service.store.database import Database
from service.store.daybook import forget

BATCH: Final = 200
"""Rows of one transaction: few enough that nobody who writes meanwhile notices."""
PATIENCE_MS: Final = 200
"""How long all writing waits for readers of the write-ahead log."""
_KEPT: Final = ("conversations", "claims", "memories")


class UserData:
    """Every method names the organization and the user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def responses(self, org_id: str, user_id: str, *, after: str = "", running: bool = False) -> Sequence[str]:
        """The ids of the next responses behind `after`, the oldest first; only those that run where that is said."""

        def job(db: Tables) -> list[str]:
            rows = db.conn.execute(
                """select id from responses where org_id = ? and user_id = ? and id > ?
                     and (not ? or status in ('queued', 'in_progress')) order by id limit ?""",
                (org_id, user_id, after, running, BATCH),
            )
            return [name for (name,) in rows]

        return await self._database.read(job)

    async def conversations(self, org_id: str, user_id: str, *, after: str = "") -> Sequence[str]:
        """The ids of the next conversations behind `after`, the oldest first."""

        def job(db: Tables) -> list[str]:
            rows = db.conn.execute(
                "select id from conversations where org_id = ? and user_id = ? and id > ? order by id limit ?",
                (org_id, user_id, after, BATCH),
            )
            return [name for (name,) in rows]

        return await self._database.read(job)

    async def erase_responses(self, org_id: str, user_id: str) -> Sequence[str]:
        """Deletes some of the responses that have ended, with all that hangs on them; which ones."""

        def job(db: Tables) -> list[str]:
            rows = db.conn.execute(
                """select id, conversation_id from responses where org_id = ? and user_id = ?
                     and status not in ('queued', 'in_progress') limit ?""",
                (org_id, user_id, BATCH),
            ).fetchall()
            for response_id, conversation_id in rows:
                if conversation_id:
                    _take_out(db, response_id, conversation_id)
            forget(db, (name for name, _ in rows))
            db.conn.executemany("delete from responses where id = ?", [(name,) for name, _ in rows])
            return [name for name, _ in rows]

        return await self._database.write(job)

    async def erase_kept(self, org_id: str, user_id: str) -> dict[str, int]:
        """Deletes conversations, claims and memories; how many of each there were."""

        def job(db: Tables) -> dict[str, int]:
            return {
                table: db.conn.execute(
                    f"delete from {table} where org_id = ? and user_id = ?", (org_id, user_id)
                ).rowcount
                for table in _KEPT
            }

        return await self._database.write(job)

    async def scrub(self) -> bool:
        """Empties the write-ahead log, in which deleted rows stand until then; False while somebody reads it."""
        return await self._database.alone(_empty_log)


def _empty_log(db: Tables) -> bool:
    (patience,) = db.conn.execute("pragma busy_timeout").fetchone()
    db.conn.execute(f"pragma busy_timeout={PATIENCE_MS}")
    try:
        return not db.conn.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
    finally:
        db.conn.execute(f"pragma busy_timeout={patience}")


def _take_out(db: Tables, response_id: str, conversation_id: str) -> None:
    """Takes what was said in the response out of its conversation, which may be nobody's and stay."""
    (given,) = db.conn.execute("select input from response_requests where response_id = ?", (response_id,)).fetchone()
    names = [item.id for item in ItemList.FromString(given).items]
    db.conn.execute(
        """delete from conversation_items where conversation_id = :conversation and (
             item_id in (select value from json_each(:names))
             or item_id = :message
             or item_id in (select item_id from response_items where response_id = :response))""",
        {
            "conversation": conversation_id,
            "names": json.dumps(names),
            "response": response_id,
            "message": message_of(response_id),
        },
    )
    db.conn.execute("update conversations set revision = revision + 1, tokens = null where id = ?", (conversation_id,))
