"""Chat history: a user's conversations, and what was said on the way to the newest response of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from nodexa.v1.item_pb2 import Item, Message
from nodexa.v1.user_pb2 import ChatConversation, ChatMessage

from service.errors import NodexaError
from service.runner.caller import Caller
from service.runner.claims import expect_user
from service.store.chats import CONVERSATION, RESPONSE, ChatRow, ChatStore
from service.store.conversation_rows import unknown_conversation
from service.store.conversations import ConversationStore
from service.store.records import Turn
from service.store.responses import ResponseStore

PAGE_BYTES: Final = 4 * 1024 * 1024
"""Where a page of messages ends early."""
TITLE: Final = 80
"""Characters of a title."""
_MOST_TURNS: Final = 10_000
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACE: Final = re.compile(r"[0-9]{1,9}")
_ROLES: Final = {Message.ROLE_USER: "user", Message.ROLE_ASSISTANT: "assistant"}


class Chats:
    """The conversations of every caller's user. Each method raises NodexaError `invalid_user_id` without one."""

    def __init__(self, store: ChatStore, responses: ResponseStore, conversations: ConversationStore) -> None:
        self._store = store
        self._responses = responses
        self._conversations = conversations

    async def page(self, caller: Caller, *, before: str, limit: int) -> Sequence[tuple[str, ChatConversation]]:
        """At most `limit` conversations behind the place `before`, the last used first, each with its place."""
        rows = await self._store.page(caller.org_id, expect_user(caller), before=before, limit=limit)
        return [(row.place, _shown(row)) for row in rows]

    async def messages(
        self, conversation_id: str, caller: Caller, *, after: str, limit: int
    ) -> tuple[Sequence[ChatMessage], str]:
        """A page of what was said, the oldest first, and where the next one begins; empty for nowhere.

        Raises NodexaError `conversation_not_found`.
        """
        user_id = expect_user(caller)
        if after and not _PLACE.fullmatch(after):
            raise NodexaError("invalid_request", "The page token names no place of this list.", param="page_token")
        said = await self._said(conversation_id, caller, user_id)
        if said is None:
            raise unknown_conversation(conversation_id, "id")
        start = int(after or 0)
        page, size = list[ChatMessage](), 0
        for message in islice(said, start, start + limit):
            size += message.ByteSize()
            if page and size > PAGE_BYTES:
                break
            page.append(message)
        end = start + len(page)
        return page, str(end) if end < len(said) else ""

    async def _said(self, name: str, caller: Caller, user_id: str) -> Sequence[ChatMessage] | None:
        if not _UUID.fullmatch(name):
            return None
        kept = await self._conversations.read(caller.org_id, CONVERSATION + name)
        if kept is not None and kept[0].user_id == user_id:
            return list(_spoken(kept[1], None))
        newest = await self._store.newest(caller.org_id, user_id, RESPONSE + name)
        turns = await self._responses.history(caller.org_id, newest, limit=_MOST_TURNS) if newest else []
        mine = turns[: next((n for n, turn in enumerate(turns) if not caller.may_see(turn.user_id)), None)]
        return [message for turn in reversed(mine) for message in _of_turn(turn)] or None


def title_of(items: Iterable[Item]) -> str:
    """The beginning of the first thing that the user said, on one line. Pure."""
    said = (words_of(item) for item in items if item.message.role == Message.ROLE_USER)
    title = " ".join(next(filter(None, said), "").split())
    return title if len(title) <= TITLE else f"{title[: TITLE - 1].rstrip()}…"


def words_of(item: Item) -> str:
    """The text of a message; what isn't text is left out. Pure."""
    parts = (part.input_text.text or part.output_text.text or part.refusal.refusal for part in item.message.content)
    return "\n".join(filter(None, parts))


def _of_turn(turn: Turn) -> Iterator[ChatMessage]:
    yield from _spoken(turn.input.items, turn)
    yield from _spoken(turn.result.output if turn.result else (), turn)


def _spoken(items: Iterable[Item], turn: Turn | None) -> Iterator[ChatMessage]:
    for item in items:
        if (role := _ROLES.get(item.message.role)) is not None and item.HasField("message"):
            message = ChatMessage(id=item.id, role=role, text=words_of(item))
            if turn is not None:
                message.response_id = turn.id
                message.create_time.FromMilliseconds(turn.created_at)
            yield message


def _shown(row: ChatRow) -> ChatConversation:
    chat = ChatConversation(
        id=row.root_id[len(RESPONSE) :], title=title_of(row.first), active=row.active, assistant_id=row.assistant_id
    )
    chat.create_time.FromMilliseconds(row.created_at)
    chat.update_time.FromMilliseconds(row.updated_at)
    return chat
