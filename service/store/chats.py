"""Conversations as their users see them: read from the responses and Conversations that are there, never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.item_pb2 import Item, ItemList
from sqlite_utils import Database as Tables

from service.store.database import Database

RESPONSE, CONVERSATION = "resp_", "conv_"
_FIRST_ITEMS: Final = 5
"""Of a Conversation, for its title."""

_CHATS: Final = f"""
    with mine(root_id, newest) as (
      select root_id, max(id) from responses
      where org_id = :org and user_id = :user and root_id >= '{RESPONSE}' group by root_id
      union all
      select id, id from conversations where org_id = :org and user_id = :user
      union all
      select r.root_id, max(r.id) from conversations c join responses r
        on r.org_id = :org and r.user_id = :user and r.root_id = c.id
      where c.org_id = :org and c.user_id = :user group by r.root_id)
    select root_id, max(substr(newest, 6)) as place from mine group by root_id
    having :before = '' or place < :before order by place desc limit :limit"""
"""A Conversation without a user is nobody's, whoever speaks in it. `place` is the UUID of what came last: its time."""


@dataclass(frozen=True, slots=True)
class ChatRow:
    """One conversation. `root_id` is the id of its first response or its Conversation; times are in milliseconds.

    `place` is where it stands in the list, `first` its first items, `assistant_id` who answered last.
    """

    root_id: str
    place: str
    first: Sequence[Item]
    assistant_id: str
    active: bool
    created_at: int
    updated_at: int


class ChatStore:
    """Every method names the organization and the user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, org_id: str, user_id: str, *, before: str, limit: int) -> Sequence[ChatRow]:
        """At most `limit` conversations, the one that was used last first, from behind the place `before` on."""

        def job(db: Tables) -> list[ChatRow]:
            named = {"org": org_id, "user": user_id, "before": before, "limit": limit}
            return [_chat(db, org_id, user_id, *row) for row in db.conn.execute(_CHATS, named).fetchall()]

        return await self._database.read(job)

    async def newest(self, org_id: str, user_id: str, root_id: str) -> str:
        """The user's newest response of a tree; empty where there is none."""

        def job(db: Tables) -> str:
            (found,) = db.conn.execute(
                "select max(id) from responses where org_id = ? and user_id = ? and root_id = ?",
                (org_id, user_id, root_id),
            ).fetchone()
            return found or ""

        return await self._database.read(job)


def _chat(db: Tables, org_id: str, user_id: str, root_id: str, place: str) -> ChatRow:
    named = {"org": org_id, "user": user_id, "root": root_id, "last": RESPONSE + place}
    last = db.conn.execute(
        """select r.assistant_id, max(r.created_at, coalesce(r.finished_at, 0)),
             a.id is not null and a.deleted_at is null
           from responses r left join assistants a on a.id = r.assistant_id and a.org_id = :org
           where r.id = :last and r.org_id = :org""",
        named,
    ).fetchone()
    begin = _conversation(db, named) if root_id.startswith(CONVERSATION) else _tree(db, named)
    first, created_at = begin
    assistant_id, updated_at, active = last or ("", created_at, True)
    return ChatRow(root_id, place, first, assistant_id, bool(active), created_at, updated_at)


def _conversation(db: Tables, named: dict[str, str]) -> tuple[Sequence[Item], int]:
    (created_at,) = db.conn.execute("select created_at from conversations where id = :root", named).fetchone()
    rows = db.conn.execute(
        f"select item from conversation_items where conversation_id = :root order by position limit {_FIRST_ITEMS}",
        named,
    )
    return [Item.FromString(item) for (item,) in rows], created_at


def _tree(db: Tables, named: dict[str, str]) -> tuple[Sequence[Item], int]:
    """The beginning of the first response that is still there and not another user's."""
    created_at, data = db.conn.execute(
        """select created_at, q.input from responses join response_requests q on q.response_id = id
           where id = coalesce(
             (select id from responses where id = :root and org_id = :org and (user_id is null or user_id = :user)),
             (select min(id) from responses where org_id = :org and user_id = :user and root_id = :root))""",
        named,
    ).fetchone()
    return ItemList.FromString(data).items, created_at
