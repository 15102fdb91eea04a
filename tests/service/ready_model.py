"""A scripted model that can be asked for whole answers by a call, as one is whose server has a connection free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from service.model.chunk import Chunk, Finish
from service.model.model import Abilities, Prompt, Take
from service.model.scripted import ScriptedModel


class ReadyModel(ScriptedModel):
    """Plays its turns as they are asked for; a turn whose first batch is not its last has to be waited for."""

    def __init__(self) -> None:
        super().__init__(abilities=Abilities(at_once=True))
        self.waited_for = 0
        self.given_up = 0

    def ask(self, prompt: Prompt, then: Callable[[], None]) -> Playing:
        """Plays the next turn."""
        return Playing(self, self.stream(prompt), then)


class Playing:
    """A turn that is being played."""

    def __init__(
        self, model: ReadyModel, turn: AsyncGenerator[Sequence[Chunk], None], then: Callable[[], None]
    ) -> None:
        self._model = model
        self._chunks: list[Chunk] = []
        self._good = False
        self._then: Callable[[], None] | None = then
        self._more = asyncio.Event()
        self._task = asyncio.create_task(self._play(turn))
        self._task.add_done_callback(lambda _: self._more.set())

    def look(self) -> Sequence[Chunk]:
        return self._chunks if self._good else ()

    async def write(self, take: Take) -> None:
        self._model.waited_for += 1
        taken = 0
        try:
            while taken < len(self._chunks) or not self._task.done():
                new, taken = self._chunks[taken:], len(self._chunks)
                if new and (wait := take(new)) is not None:
                    await wait()
                if not self._task.done():
                    await self._more.wait()
                    self._more.clear()
        finally:
            self._task.cancel()
        self._task.result()

    def give_up(self) -> None:
        self._model.given_up += 1
        self._then = None
        self._task.cancel()

    async def _play(self, turn: AsyncGenerator[Sequence[Chunk], None]) -> None:
        try:
            async with aclosing(turn) as batches:
                async for batch in batches:
                    self._chunks += batch
                    self._more.set()
                    if not isinstance(batch[-1], Finish):
                        self._tell()
            self._good = True
        finally:
            self._tell()

    def _tell(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            # Behind this step: by then it has ended, where it ends with it.
            asyncio.get_running_loop().call_soon(then)
