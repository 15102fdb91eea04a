"""Has the passages of files embedded; a file whose vectors can't be had is found by its words, and says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from service.errors import NodexaError
from service.knowledge.meaning import Meanings
from service.settings import Clock
from service.store.reading_list import ReadingList, Task

AGAIN: Final = 60_000
"""Milliseconds until a file that lacks vectors is tried again, at least."""
REQUESTS: Final = 8
"""Requests for a file that can be found already, before others have their turn."""

log = logging.getLogger(__name__)


class Embedding:
    """`meanings` is None where the operator has no embeddings model."""

    def __init__(self, tasks: ReadingList, meanings: Meanings | None, *, clock: Clock) -> None:
        self._tasks = tasks
        self._meanings = meanings
        self._clock = clock

    @property
    def wanted(self) -> str:
        """The model whose vectors files should have; empty where none can be had now."""
        return self._meanings.name if self._meanings and not self._meanings.resting else ""

    async def begin(self) -> None:
        """Tells the operator what has to be done because the model is another one than before, or new."""
        if self._meanings is None:
            await self._tasks.forget_notes()
        elif outdated := await self._tasks.outdated(self._meanings.name):
            log.info(
                "%d files are now embedded by %r; until then they are found by words", outdated, self._meanings.name
            )

    async def finish(self, task: Task, *, until: Callable[[], int]) -> None:
        """Embeds a file that was read, and makes it one that can be found, whatever came of that."""
        if self._meanings is None:
            await self._tasks.finish(task)
        elif self._meanings.resting:
            await self._without(task, self._meanings.trouble)
        else:
            await self._embed(task, self._meanings, until=until, requests=None)

    async def some_of(self, task: Task, *, until: Callable[[], int]) -> None:
        """Embeds more of a file that can be found already."""
        if self._meanings is not None:
            await self._embed(task, self._meanings, until=until, requests=REQUESTS)

    async def put_off(self, task: Task) -> None:
        """Leaves a file alone for a while that can be found already."""
        if task.status == "completed":
            await self._without(task, None)

    async def _embed(self, task: Task, meanings: Meanings, *, until: Callable[[], int], requests: int | None) -> None:
        while requests is None or requests > 0:
            lacking = await self._tasks.lacking(task, meanings.name, limit=meanings.batch)
            if not lacking:
                await self._whole(task, meanings)
                return
            try:
                vectors = await meanings.of([each.text for each in lacking])
            except NodexaError as error:
                log.warning("a file is found by its words only so far (%s): %s", task.file_id, error.message)
                await self._without(task, error)
                return
            if not await self._tasks.embed(
                task, meanings.name, list(zip(lacking, vectors, strict=True)), until=until()
            ):
                return
            requests = requests and requests - 1

    async def _whole(self, task: Task, meanings: Meanings) -> None:
        note = ""
        if unreadable := await self._tasks.unreadable(task):
            note = (
                f"{unreadable} passages can't be read by the model {meanings.name!r}, most likely because they are too "
                "long: they are found by their words only. Cut the file into smaller ones with chunking_strategy."
            )
        await self._tasks.finish(task, embedder=meanings.name, note=note)

    async def _without(self, task: Task, error: NodexaError | None) -> None:
        why = error.message if error else "The platform failed to embed it; tell the operator."
        note = f"It is found by its words only so far, and embedded as soon as that can be. {why}"
        await self._tasks.finish(task, note=note, again=self._clock() + AGAIN)
