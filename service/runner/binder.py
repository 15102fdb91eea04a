"""Binds the turns of long threads into chapters, behind the back of those who talk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final

from nodexa.v1.item_pb2 import Item, ItemList, Message

from service.errors import NodexaError
from service.model.chat_history import KIND, Told, piece
from service.model.thread import Said, Thread
from service.runner.past import Past
from service.store.chapters import Chapter, ChapterStore
from service.store.records import Turn
from service.store.responses import ResponseStore

TURNS: Final = 64
"""Of a chapter, or a few more."""
LOOSE: Final = 8
"""The last turns of a thread, which are left out of chapters: somebody may go on from one of them."""
MOST_BYTES: Final = 1024 * 1024
"""Longer stretches stay turns: the reading of such costs by their bytes, and nobody wants to store them twice."""
MOST_TURNS: Final = 10_000
_QUEUE: Final = 64

log = logging.getLogger(__name__)


class Binder:
    """Makes chapters where some are due, one thread after the other."""

    def __init__(self, responses: ResponseStore, chapters: ChapterStore) -> None:
        self._responses = responses
        self._chapters = chapters
        self._due: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_QUEUE)

    async def read(self, org_id: str, last_id: str) -> Sequence[Chapter]:
        """The chapters up to the one that ends with a response, from the beginning of the thread; else none."""
        return await self._chapters.read(org_id, last_id)

    def look(self, past: Past, response_id: str) -> None:
        """Binds the thread up to a response, some time soon, if that is due."""
        loose = past.turns - past.bound
        if loose >= TURNS + LOOSE and loose % TURNS == LOOSE and past.plain and not self._due.full():
            self._due.put_nowait((past.org_id, response_id))

    async def run(self) -> None:
        """Binds what is due, until it is cancelled."""
        while True:
            org_id, response_id = await self._due.get()
            try:
                await self.bind(org_id, response_id)
            except NodexaError as error:
                log.warning("no chapter was made of a long thread: %s", error.message)

    async def bind(self, org_id: str, response_id: str) -> None:
        """Makes chapters of the turns up to a response that are in none. Raises NodexaError `storage_unavailable`."""
        found = await self._responses.history(org_id, response_id, limit=MOST_TURNS, unbound=True)
        for chapter in chapters_of(found[::-1]):
            await self._chapters.add(org_id, [chapter])


def chapters_of(turns: Sequence[Turn]) -> Iterator[Chapter]:
    """The turns as chapters, the oldest first, but for the last ones. Pure.

    A chapter ends where no call waits and the next thing said is not the assistant's: what a model is told of it
    doesn't depend on what comes then.
    """
    if not turns or any(turn.result is None for turn in turns):
        return
    pasts, before = Past().and_then(turns), turns[0].previous_response_id
    start = place = calls = 0
    for end in range(1, len(turns) - LOOSE + 1):
        past = pasts[end - 1]
        if not past.plain:
            return
        if end - start < TURNS or past.waiting or not _begins_anew(turns[end]):
            continue
        stretch, said = turns[start:end], past.said
        items = said.thread.items[place : said.length]
        told = piece(items, first=not before)
        size = sum(turn.size for turn in stretch)
        if told is None or size > MOST_BYTES:
            return
        ids, users = [turn.id for turn in stretch], sorted({turn.user_id for turn in stretch})
        yield Chapter(before, ids, users, said.thread.call_ids[calls : said.calls], ItemList(items=items), *told, size)
        before, start, place, calls = ids[-1], end, said.length, said.calls


def past_of(chapters: Sequence[Chapter], org_id: str) -> Past:
    """The conversation that the chapters tell, which go on from each other. Pure."""
    thread, places = Thread(), list[int]()
    for chapter in chapters:
        places.append(thread.add(chapter.items.items[:], chapter.call_ids).length)
    if chapters:
        pieces = zip(places, (chapter.told for chapter in chapters), strict=True)
        thread.told[KIND] = Told.again(chapters[0].opening, pieces)
    turns = sum(len(chapter.ids) for chapter in chapters)
    users = frozenset(user for chapter in chapters for user in chapter.users)
    said = Said(thread, len(thread.items), len(thread.call_ids))
    return Past(said, turns=turns, bound=turns, org_id=org_id, users=users)


def _begins_anew(turn: Turn) -> bool:
    first = turn.input.items[0] if turn.input.items else Item()
    return first.HasField("message") and first.message.role != Message.ROLE_ASSISTANT
