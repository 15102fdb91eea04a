"""Conversations: items in order that their callers keep, and that responses read and add to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nodexa.v1.conversation_pb2 import Conversation
from nodexa.v1.item_pb2 import Item
from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.ids import NewId
from service.model.past_calls import without_runs
from service.runner.caller import Caller
from service.runner.input_check import check_items, with_ids
from service.runner.past import Past, said_in, spent_on, spoken
from service.runner.references import References
from service.runner.settings_check import check_metadata
from service.settings import Clock
from service.store.conversation_rows import ConversationRow, Said, Seen, unknown_conversation
from service.store.conversations import ConversationStore

MAX_ITEMS: Final = 20
"""How many items one request may put in."""
FIELD: Final = "conversation"
_KEPT: Final = frozenset({Response.STATUS_COMPLETED, Response.STATUS_REQUIRES_ACTION, Response.STATUS_INCOMPLETE})


@dataclass(frozen=True, slots=True)
class Joined:
    """The conversation that a response reads and adds to: as it was seen, and what the response was asked."""

    seen: Seen
    asked: Sequence[Item]

    def said(self, response: Response) -> Said | None:
        """What a final response leaves there: what it was asked and said; None where it failed or was cancelled."""
        if response.status not in _KEPT:
            return None
        items = [*(item for item in self.asked if not item.HasField("item_reference")), *spoken(response)]
        return Said(self.seen.id, items, spent_on(response))


class Conversations:
    """The conversations of every caller. Each method raises NodexaError `conversation_not_found` for one that the
    caller can't see.
    """

    def __init__(self, *, store: ConversationStore, references: References, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self.references = references
        self._clock = clock
        self._new_id = new_id

    async def create(self, items: Sequence[Item], metadata: Mapping[str, str], caller: Caller) -> Conversation:
        """A new conversation with these items. Raises NodexaError for what can't be kept."""
        check_metadata(metadata)
        kept = await self._checked(items, caller) if items else []
        row = ConversationRow(self._new_id("conv"), caller.user_id, dict(metadata), self._clock())
        await self._store.create(caller.org_id, row, kept)
        return _shown(row)

    async def get(self, conversation_id: str, caller: Caller) -> Conversation:
        """The conversation."""
        return _shown(await self._visible(conversation_id, caller))

    async def update(self, conversation_id: str, metadata: Mapping[str, str], caller: Caller) -> Conversation:
        """The conversation with this metadata and no other."""
        check_metadata(metadata)
        await self._visible(conversation_id, caller)
        await self._store.update(caller.org_id, conversation_id, metadata)
        return await self.get(conversation_id, caller)

    async def delete(self, conversation_id: str, caller: Caller) -> None:
        """Forgets the conversation. Its responses stay; one that runs adds nothing."""
        await self._visible(conversation_id, caller)
        await self._store.delete(caller.org_id, conversation_id)

    async def add(self, conversation_id: str, items: Sequence[Item], caller: Caller) -> Sequence[Item]:
        """The items as they were added. Raises NodexaError `conversation_locked`, and for what can't be kept."""
        await self._visible(conversation_id, caller)
        kept = await self._checked(items, caller)
        twice = await self._store.add(caller.org_id, conversation_id, kept)
        if twice:
            raise _twice(twice, f"items[{[item.id for item in kept].index(twice)}].id")
        return kept

    async def page(
        self, conversation_id: str, caller: Caller, *, after: str, newest_first: bool, limit: int
    ) -> Sequence[Item]:
        """At most `limit` items behind the item `after`, from the beginning where that is empty."""
        await self._visible(conversation_id, caller)
        found = await self._store.page(
            caller.org_id, conversation_id, after=after, newest_first=newest_first, limit=limit
        )
        if found is None:
            message = "The page token names no item of this conversation."
            raise NodexaError("invalid_request", message, param="page_token")
        return found

    async def item(self, conversation_id: str, item_id: str, caller: Caller) -> Item:
        """One item. Raises NodexaError `item_not_found`."""
        await self._visible(conversation_id, caller)
        found = await self._store.item(caller.org_id, conversation_id, item_id)
        if found is None:
            raise _no_item(item_id)
        return found

    async def remove(self, conversation_id: str, item_id: str, caller: Caller) -> Conversation:
        """The conversation without the item. Raises NodexaError `conversation_locked` or `item_not_found`."""
        found = await self._visible(conversation_id, caller)
        if not await self._store.remove(caller.org_id, conversation_id, item_id):
            raise _no_item(item_id)
        return _shown(found)

    async def read(self, conversation_id: str, caller: Caller) -> tuple[Sequence[Item], Conversation]:
        """All items, the oldest first, and the conversation."""
        found = await self._store.read(caller.org_id, conversation_id)
        if found is None or not caller.may_see(found[0].user_id):
            raise unknown_conversation(conversation_id, "id")
        return found[1], _shown(found[0])

    async def recall(self, conversation_id: str, caller: Caller) -> tuple[Past, Seen]:
        """All that was said, and what a response must find unchanged when it begins."""
        found = await self._store.read(caller.org_id, conversation_id)
        if found is None or not caller.may_see(found[0].user_id):
            raise unknown_conversation(conversation_id, FIELD)
        row, items = found
        return said_in(items), Seen(row.id, row.revision, row.tokens)

    async def _visible(self, conversation_id: str, caller: Caller) -> ConversationRow:
        row = await self._store.get(caller.org_id, conversation_id)
        if row is None or not caller.may_see(row.user_id):
            raise unknown_conversation(conversation_id, "id")
        return row

    async def _checked(self, items: Sequence[Item], caller: Caller) -> list[Item]:
        if len(items) > MAX_ITEMS:
            raise NodexaError("invalid_request", f"At most {MAX_ITEMS} items can be sent at once.", param="items")
        check_items(items, "items")
        without_runs(items)
        resolved = await self.references.resolve(items, caller=caller, name="items")
        return list(with_ids(resolved, self._new_id))


def check_new(history: Iterable[Item], new: Iterable[Item]) -> None:
    """Raises NodexaError `invalid_request` for an input item whose id is taken in the conversation."""
    taken = {item.id for item in history}
    for index, item in enumerate(new):
        if item.id in taken and not item.HasField("item_reference"):
            raise _twice(item.id, f"input[{index}].id")


def _shown(row: ConversationRow) -> Conversation:
    conversation = Conversation(id=row.id, metadata=row.metadata)
    conversation.create_time.FromMilliseconds(row.created_at)
    return conversation


def _twice(item_id: str, param: str) -> NodexaError:
    message = f"The conversation has an item {item_id!r} already: leave this one out, or give it another id."
    return NodexaError("invalid_request", message, param=param)


def _no_item(item_id: str) -> NodexaError:
    return NodexaError("item_not_found", f"No item {item_id!r} in this conversation.", param="item_id")
