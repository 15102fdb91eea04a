"""Memory: what an assistant notes about a user, and what it is told of it in later conversations."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from nodexa.v1.user_pb2 import Memory

from service.errors import NodexaError
from service.ids import NewId
from service.runner.caller import Caller
from service.runner.claims import expect_user
from service.settings import Clock
from service.store.memories import MemoryRow, MemoryStore, ranked
from service.tools.tool import Errand

MOST: Final = 200
"""Memories of one user and assistant; the oldest leave."""
TOLD: Final = 30
"""How many a model is told at most."""
_WORDS: Final = 64
"""Words of the first input by which memories are ranked."""
_WORD: Final = re.compile(r"\w+")


class Memories:
    """The memories of every caller's user. What is for users' rights raises `invalid_user_id` for a caller without."""

    def __init__(self, store: MemoryStore, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def save(self, errand: Errand, text: str) -> bool:
        """Keeps a text for the errand's user and assistant; False where it was known."""
        row = MemoryRow(self._new_id("mem"), errand.assistant_id, text, errand.response_id, self._clock())
        return await self._store.add(errand.org_id, errand.user_id, row, digest=digest_of(text), most=MOST)

    async def recall(self, caller: Caller, assistant_id: str, about: str) -> Sequence[str]:
        """What the assistant should know for a conversation that begins with the text `about`, the newest first."""
        texts = await self._store.of_assistant(caller.org_id, caller.user_id, assistant_id)
        if len(texts) <= TOLD:
            return texts
        words = list(dict.fromkeys(word.lower() for word in _WORD.findall(about)))[:_WORDS]
        return chosen(texts, await asyncio.to_thread(ranked, texts, words))

    async def page(self, caller: Caller, *, before: str, limit: int) -> Sequence[Memory]:
        """At most `limit` memories of the user, the newest first, older than the id `before`."""
        rows = await self._store.page(caller.org_id, expect_user(caller), before=before, limit=limit)
        return [_shown(row) for row in rows]

    async def delete(self, memory_id: str, caller: Caller) -> None:
        """Deletes one. Raises NodexaError `memory_not_found`."""
        if not await self._store.delete(caller.org_id, expect_user(caller), memory_id):
            raise NodexaError("memory_not_found", f"The user has no memory {memory_id!r}.", param="id")

    async def delete_all(self, caller: Caller) -> int:
        """Deletes all; how many there were."""
        return await self._store.delete(caller.org_id, expect_user(caller))


def digest_of(text: str) -> bytes:
    """What two texts share that say the same, apart from case, spaces and signs."""
    return hashlib.sha256(" ".join(_WORD.findall(text.casefold())).encode()).digest()


def chosen(texts: Sequence[str], best: Sequence[int]) -> Sequence[str]:
    """TOLD of the texts, in their order: the best, and the first of the others."""
    places = dict.fromkeys([*best, *range(len(texts))])
    return [texts[place] for place in sorted(list(places)[:TOLD])]


def _shown(row: MemoryRow) -> Memory:
    memory = Memory(id=row.id, assistant_id=row.assistant_id, text=row.text, response_id=row.response_id)
    memory.create_time.FromMilliseconds(row.created_at)
    return memory
