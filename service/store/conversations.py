"""Conversations on disk: made, read, changed and deleted by their callers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from nodexa.v1.item_pb2 import Item
from sqlite_utils import Database as Tables

from service.store.conversation_rows import (
    ConversationRow,
    append_items,
    conversation_row,
    expect_free,
    serialized_items,
)
from service.store.database import Database

_OF_ORG: Final = "exists (select 1 from conversations where id = conversation_id and org_id = :org)"


class ConversationStore:
    """All reads name the organization; an id of another one is as unknown as one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, org_id: str, row: ConversationRow, items: Sequence[Item]) -> None:
        """Writes a new conversation."""
        rows = serialized_items(items)

        def job(db: Tables) -> None:
            db.conn.execute(
                """insert into conversations(id, org_id, user_id, metadata, created_at)
                   values(?, ?, nullif(?, ''), ?, ?)""",
                (row.id, org_id, row.user_id, json.dumps(dict(row.metadata)), row.created_at),
            )
            append_items(db, row.id, rows)

        await self._database.write(job, new_work=True)

    async def get(self, org_id: str, conversation_id: str) -> ConversationRow | None:
        """The conversation, or None."""
        return await self._database.read(lambda db: conversation_row(db, org_id, conversation_id))

    async def read(self, org_id: str, conversation_id: str) -> tuple[ConversationRow, Sequence[Item]] | None:
        """The conversation with all its items, the oldest first; None where there is none."""

        def job(db: Tables) -> tuple[ConversationRow, Sequence[Item]] | None:
            # One transaction: the items must be those of the revision.
            db.conn.execute("begin")
            try:
                row = conversation_row(db, org_id, conversation_id)
                found = db.conn.execute(
                    "select item from conversation_items where conversation_id = ? order by position",
                    (conversation_id,),
                ).fetchall()
            finally:
                db.conn.execute("rollback")
            return (row, [Item.FromString(item) for (item,) in found]) if row else None

        return await self._database.read(job)

    async def update(self, org_id: str, conversation_id: str, metadata: Mapping[str, str]) -> None:
        """Replaces the metadata."""
        words = json.dumps(dict(metadata))

        def job(db: Tables) -> None:
            db.conn.execute(
                "update conversations set metadata = ? where org_id = ? and id = ?", (words, org_id, conversation_id)
            )

        await self._database.write(job)

    async def delete(self, org_id: str, conversation_id: str) -> None:
        """Removes the conversation and its items; its responses stay."""

        def job(db: Tables) -> None:
            db.conn.execute("delete from conversations where org_id = ? and id = ?", (org_id, conversation_id))

        await self._database.write(job)

    async def add(self, org_id: str, conversation_id: str, items: Sequence[Item]) -> str:
        """Puts items at the end; returns an id that stands there already, in which case nothing was added.

        Raises NodexaError `conversation_not_found` or `conversation_locked`.
        """
        rows = serialized_items(items)

        def job(db: Tables) -> str:
            expect_free(db, org_id, conversation_id)
            twice = db.conn.execute(
                """select item_id from conversation_items
                   where conversation_id = ? and item_id in (select value from json_each(?)) limit 1""",
                (conversation_id, json.dumps([item_id for item_id, _ in rows])),
            ).fetchone()
            if twice is None:
                append_items(db, conversation_id, rows)
            return twice[0] if twice else ""

        return await self._database.write(job, new_work=True)

    async def remove(self, org_id: str, conversation_id: str, item_id: str) -> bool:
        """Takes an item out; whether it was there. Raises as `add` does."""

        def job(db: Tables) -> bool:
            expect_free(db, org_id, conversation_id)
            gone = db.conn.execute(
                "delete from conversation_items where conversation_id = ? and item_id = ?", (conversation_id, item_id)
            )
            db.conn.execute(
                "update conversations set revision = revision + 1, tokens = null where id = ?", (conversation_id,)
            )
            return gone.rowcount > 0

        return await self._database.write(job)

    async def item(self, org_id: str, conversation_id: str, item_id: str) -> Item | None:
        """One item, or None."""

        def job(db: Tables) -> Item | None:
            found = db.conn.execute(
                f"select item from conversation_items where conversation_id = :id and item_id = :item and {_OF_ORG}",
                {"id": conversation_id, "item": item_id, "org": org_id},
            ).fetchone()
            return Item.FromString(found[0]) if found else None

        return await self._database.read(job)

    async def page(
        self, org_id: str, conversation_id: str, *, after: str, newest_first: bool, limit: int
    ) -> Sequence[Item] | None:
        """At most `limit` items behind the item `after` (empty: from the beginning); None where that isn't there."""
        beyond, order = ("<", "desc") if newest_first else (">", "asc")

        def job(db: Tables) -> Sequence[Item] | None:
            named = {"id": conversation_id, "after": after, "org": org_id, "limit": limit}
            place = db.conn.execute(
                "select position from conversation_items where conversation_id = :id and item_id = :after", named
            ).fetchone()
            if after and place is None:
                return None
            found = db.conn.execute(
                f"""select item from conversation_items where conversation_id = :id and {_OF_ORG}
                    and (:after = '' or position {beyond} :place) order by position {order} limit :limit""",
                named | {"place": place[0] if place else 0},
            )
            return [Item.FromString(item) for (item,) in found]

        return await self._database.read(job)

    async def holding(self, org_id: str, item_ids: Collection[str]) -> Sequence[tuple[str, Item]]:
        """The items with these ids in any conversation, each with the user that its conversation belongs to."""

        def job(db: Tables) -> list[tuple[str, Item]]:
            found = db.conn.execute(
                """select coalesce(user_id, ''), item from conversation_items
                   join conversations on id = conversation_id and org_id = ?
                   where item_id in (select value from json_each(?))""",
                (org_id, json.dumps(list(item_ids))),
            )
            return [(user_id, Item.FromString(item)) for user_id, item in found]

        return await self._database.read(job)
