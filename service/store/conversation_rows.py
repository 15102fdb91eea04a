"""The rows of a conversation within a transaction: one, and one for each item, changed by one request at a time.

Whether a conversation is locked is read from the responses that run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.item_pb2 import Item
from sqlite_utils import Database as Tables

from service.errors import NodexaError

_ROW: Final = "id, coalesce(user_id, ''), metadata, created_at, revision, tokens"


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


def claim(db: Tables, org_id: str, seen: Seen) -> None:
    """Lets a response begin in a conversation that is as it was seen. Raises as ConversationStore.add does."""
    if expect_free(db, org_id, seen.id).revision != seen.revision:
        raise _locked("It was changed while this request was read; send the request again.")


def conclude(db: Tables, said: Said) -> None:
    """Adds what a response's turn was, unless the conversation was deleted meanwhile."""
    if db.conn.execute("select 1 from conversations where id = ?", (said.conversation_id,)).fetchone():
        append_items(db, said.conversation_id, serialized_items(said.items), tokens=said.tokens)


def unknown_conversation(conversation_id: str, param: str) -> NodexaError:
    """What is said of an id that a caller may not know, or that never was."""
    return NodexaError("conversation_not_found", f"No conversation {conversation_id!r}.", param=param)


def conversation_row(db: Tables, org_id: str, conversation_id: str) -> ConversationRow | None:
    """The conversation, or None."""
    found = db.conn.execute(
        f"select {_ROW} from conversations where org_id = ? and id = ?", (org_id, conversation_id)
    ).fetchone()
    if found is None:
        return None
    name, user_id, metadata, created_at, revision, tokens = found
    return ConversationRow(name, user_id, json.loads(metadata), created_at, revision, tokens)


def expect_free(db: Tables, org_id: str, conversation_id: str) -> ConversationRow:
    """The conversation, which nobody else is changing. Raises as ConversationStore.add does."""
    row = conversation_row(db, org_id, conversation_id)
    if row is None:
        raise unknown_conversation(conversation_id, "conversation")
    running = db.conn.execute(
        "select id from responses where conversation_id = ? and status in ('queued', 'in_progress')",
        (conversation_id,),
    ).fetchone()
    if running:
        raise _locked(f"The response {running[0]!r} is running in it; wait for its end, or cancel it.")
    return row


def append_items(
    db: Tables, conversation_id: str, rows: Iterable[tuple[str, bytes]], *, tokens: int | None = None
) -> None:
    """Puts items at the end, and counts the change; `tokens` as in Said."""
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


def serialized_items(items: Iterable[Item]) -> list[tuple[str, bytes]]:
    """Items as they are written, each with its id."""
    return [(item.id, item.SerializeToString()) for item in items]


def _locked(why: str) -> NodexaError:
    message = f"One request at a time may change a conversation. {why}"
    return NodexaError("conversation_locked", message, param="conversation")
