"""Conversations on disk: a row, and a row for each item. Whether one is locked is read from the responses that run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.item_pb2 import Item
from sqlite_utils import Database as Tables

from service.errors import NodexaError
from service.store.database import Database

_ROW: Final = "id, coalesce(user_id, ''), metadata, created_at, revision, tokens"
_OF_ORG: Final = "exists (select 1 from conversations where id = conversation_id and org_id = :org)"


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation without its items. `created_at` is in milliseconds; `revision` counts the changes of its items;
    `tokens` is what the turn spent that was the last change, None where nobody counted or it was none.
    """

    id: str
    user_id: str
    metadata: Mapping[str, str]
    created_at: int
    revision: int = 0
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A conversation as a response read it: it may only start while nobody has changed it since."""

    id: str
    revision: int
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a response leaves in a conversation. `tokens` is what it spent, None where that says nothing of the next."""

    conversation_id: str
    items: Sequence[Item]
    tokens: int | None = None


class ConversationStore:
    """All reads name the organization; an id of another one is as unknown as one that never was."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, org_id: str, row: ConversationRow, items: Sequence[Item]) -> None:
        """Writes a new conversation."""
        rows = _serialized(items)

        def job(db: Tables) -> None:
            db.conn.execute(
                """insert into conversations(id, org_id, user_id, metadata, created_at)
                   values(?, ?, nullif(?, ''), ?, ?)""",
                (row.id, org_id, row.user_id, json.dumps(dict(row.metadata)), row.created_at),
            )
            _append(db, row.id, rows)

        await self._database.write(job, new_work=True)

    async def get(self, org_id: str, conversation_id: str) -> ConversationRow | None:
        """The conversation, or None."""
        return await self._database.read(lambda db: _get(db, org_id, conversation_id))

    async def read(self, org_id: str, conversation_id: str) -> tuple[ConversationRow, Sequence[Item]] | None:
        """The conversation with all its items, the oldest first; None where there is none."""

        def job(db: Tables) -> tuple[ConversationRow, Sequence[Item]] | None:
            # One transaction: the items must be those of the revision.
            db.conn.execute("begin")
            try:
                row = _get(db, org_id, conversation_id)
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
        rows = _serialized(items)

        def job(db: Tables) -> str:
            _expect_free(db, org_id, conversation_id)
            twice = db.conn.execute(
                """select item_id from conversation_items
                   where conversation_id = ? and item_id in (select value from json_each(?)) limit 1""",
                (conversation_id, json.dumps([item_id for item_id, _ in rows])),
            ).fetchone()
            if twice is None:
                _append(db, conversation_id, rows)
            return twice[0] if twice else ""

        return await self._database.write(job, new_work=True)

    async def remove(self, org_id: str, conversation_id: str, item_id: str) -> bool:
        """Takes an item out; whether it was there. Raises as `add` does."""

        def job(db: Tables) -> bool:
            _expect_free(db, org_id, conversation_id)
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


def claim(db: Tables, org_id: str, seen: Seen) -> None:
    """Lets a response begin in a conversation that is as it was seen. Raises as ConversationStore.add does."""
    if _expect_free(db, org_id, seen.id).revision != seen.revision:
        raise _locked("It was changed while this request was read; send the request again.")


def conclude(db: Tables, said: Said) -> None:
    """Adds what a response's turn was, unless the conversation was deleted meanwhile."""
    if db.conn.execute("select 1 from conversations where id = ?", (said.conversation_id,)).fetchone():
        _append(db, said.conversation_id, _serialized(said.items), tokens=said.tokens)


def unknown_conversation(conversation_id: str, param: str) -> NodexaError:
    """What is said of an id that a caller may not know, or that never was."""
    return NodexaError("conversation_not_found", f"No conversation {conversation_id!r}.", param=param)


def _get(db: Tables, org_id: str, conversation_id: str) -> ConversationRow | None:
    found = db.conn.execute(
        f"select {_ROW} from conversations where org_id = ? and id = ?", (org_id, conversation_id)
    ).fetchone()
    if found is None:
        return None
    name, user_id, metadata, created_at, revision, tokens = found
    return ConversationRow(name, user_id, json.loads(metadata), created_at, revision, tokens)


def _expect_free(db: Tables, org_id: str, conversation_id: str) -> ConversationRow:
    row = _get(db, org_id, conversation_id)
    if row is None:
        raise unknown_conversation(conversation_id, "conversation")
    running = db.conn.execute(
        "select id from responses where conversation_id = ? and status in ('queued', 'in_progress')",
        (conversation_id,),
    ).fetchone()
    if running:
        raise _locked(f"The response {running[0]!r} is running in it; wait for its end, or cancel it.")
    return row


def _append(db: Tables, conversation_id: str, rows: Iterable[tuple[str, bytes]], *, tokens: int | None = None) -> None:
    (first,) = db.conn.execute(
        "select coalesce(max(position) + 1, 0) from conversation_items where conversation_id = ?", (conversation_id,)
    ).fetchone()
    db.conn.executemany(
        "insert into conversation_items values(?, ?, ?, ?)",
        [(conversation_id, place, item_id, data) for place, (item_id, data) in enumerate(rows, first)],
    )
    db.conn.execute(
        "update conversations set revision = revision + 1, tokens = ? where id = ?", (tokens, conversation_id)
    )


def _serialized(items: Iterable[Item]) -> list[tuple[str, bytes]]:
    return [(item.id, item.SerializeToString()) for item in items]


def _locked(why: str) -> NodexaError:
    message = f"One request at a time may change a conversation. {why}"
    return NodexaError("conversation_locked", message, param="conversation")
