"""Reads the files of vector stores into the index, in the background, and clears away what was taken out.

What has to be done stands in the database, so a core that starts again goes on where the last one stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from service.errors import NodexaError
from service.knowledge.embedding import Embedding
from service.knowledge.extraction import SECONDS, extract
from service.knowledge.formats import UnreadableError
from service.settings import Clock
from service.store.files import FileStore
from service.store.reading_list import BATCH, ReadingList, Task

AT_ONCE: Final = 2
"""Files that one core reads at a time."""
LEASE: Final = (SECONDS + 60) * 1000
"""Milliseconds until another core takes a file from one that says nothing any more."""
LOOK_EVERY: Final = 5.0
"""Seconds: another core may have left something to do."""

log = logging.getLogger(__name__)


class Indexer:
    """What runs beside the doors of a core. `shared`: other cores do the same on the same database."""

    def __init__(
        self, tasks: ReadingList, files: FileStore, embedding: Embedding, *, clock: Clock, shared: bool
    ) -> None:
        self._tasks = tasks
        self._files = files
        self._embedding = embedding
        self._clock = clock
        self._shared = shared
        self._news = [asyncio.Event() for _ in range(AT_ONCE)]

    def wake(self) -> None:
        """Looks for work now."""
        for news in self._news:
            news.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        if not self._shared:
            await self._tasks.free()
        await self._embedding.begin()
        async with asyncio.TaskGroup() as workers:
            for news in self._news:
                workers.create_task(self._work(news))

    async def _work(self, news: asyncio.Event) -> None:
        while True:
            news.clear()
            try:
                found = await self._step()
            except NodexaError as error:
                log.error("the index could not be written, it is tried again later: %s", error.message)
                found = False
            if not found:
                await _wait(news, LOOK_EVERY)

    async def _step(self) -> bool:
        """Does the next thing. Whether there was one."""
        task = await self._tasks.claim(now=self._clock(), until=self._until(), model=self._embedding.wanted)
        if task is None:
            return False
        try:
            await self._do(task)
        except (asyncio.CancelledError, NodexaError):
            await asyncio.shield(self._tasks.release(task))
            raise
        except Exception:
            log.exception("a file could not be read by a bug (%s)", task.file_id)
            await self._tasks.fail(task, "server_error", "The platform failed to read it; tell the operator.")
            await self._embedding.put_off(task)
        await self._tasks.release(task)
        return True

    async def _do(self, task: Task) -> None:
        if task.status == "completed":
            await self._embedding.some_of(task, until=self._until)
        elif task.status != "in_progress":
            await self._tasks.clear(task)
            await self._tasks.cleared(task)
        elif task.read or await self._read(task):
            await self._embedding.finish(task, until=self._until)

    async def _read(self, task: Task) -> bool:
        """Writes the passages of a file. Whether they are all there, and still wanted."""
        # What a core that died had read so far.
        await self._tasks.clear(task)
        try:
            size = await self._index(task)
        except UnreadableError as error:
            await self._tasks.fail(task, error.code, error.message)
            return False
        return size is not None and await self._tasks.read(task, size, until=self._until())

    async def _index(self, task: Task) -> int | None:
        """The bytes of the text that was found; None where it is wanted no more."""
        texts: list[str] = []
        written = size = 0
        found = extract(task.filename, self._pieces(task), most=task.most, overlap=task.overlap)
        async with aclosing(found):
            async for text in found:
                texts.append(text)
                size += len(text.encode())
                if len(texts) == BATCH:
                    if not await self._tasks.add(task, written, texts, until=self._until()):
                        return None
                    written += len(texts)
                    texts = []
        return size if await self._tasks.add(task, written, texts, until=self._until()) else None

    async def _pieces(self, task: Task) -> AsyncIterator[bytes]:
        start = 0
        while start < task.size:
            piece = await self._files.piece(task.file_id, start)
            if not piece:
                return
            yield piece
            start += len(piece)

    def _until(self) -> int:
        return self._clock() + LEASE


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
