"""What texts mean: vectors of the operator's embeddings model, whose server is left alone for a while when it fails."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from service.errors import NodexaError
from service.model.chat_errors import CONTEXT_STATUSES, RefusedError
from service.settings import Clock, SettingsError
from service.store.vectors import Block

QUESTION_SECONDS: Final = 3.0
"""What may pass until a question is looked up by its words alone."""
REST: Final = (5_000, 300_000)
"""Milliseconds that a failed server is left alone, the first time and at most: each time twice as long."""
TOO_LONG: Final = "context_length_exceeded"
PROBE: Final = "text"
"""What every model can read."""

log = logging.getLogger(__name__)


class Embedder(Protocol):
    """Who makes vectors."""

    name: str
    batch: int

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text. Raises NodexaError, TOO_LONG where the model can't read one of them."""

    def close(self) -> None:
        """Releases connections."""


class Meanings:
    """`name` tells vectors apart that can't be compared; `batch` are the texts to give at a time.

    `clock` may start anywhere. Raises SettingsError where what compares vectors isn't installed.
    """

    def __init__(self, embedder: Embedder, *, clock: Clock) -> None:
        if importlib.util.find_spec("numpy") is None:
            raise SettingsError('[embeddings] needs the package numpy: pip install "nodexa[embeddings]"')
        self.name = embedder.name
        self.batch = embedder.batch
        self.trouble: NodexaError | None = None
        self._embedder = embedder
        self._clock = clock
        self._rest = 0
        self._until = 0

    @property
    def resting(self) -> bool:
        """Whether the server failed a moment ago."""
        return self._clock() < self._until

    async def of(self, texts: Sequence[str]) -> list[bytes]:
        """The vectors of passages; an empty one for a text that the model can't read. Raises NodexaError."""
        try:
            found = await self._ask(texts)
        except NodexaError as error:
            if error.code != TOO_LONG:
                if not (isinstance(error, RefusedError) and error.http_status in CONTEXT_STATUSES):
                    raise
                # Each server has words of its own for a text that is too long; one that refuses any text is broken.
                await self._ask([PROBE])
            if len(texts) == 1:
                return [b""]
            # One of them: what a half of them is worth is found out half by half.
            middle = len(texts) // 2
            return [*await self.of(texts[:middle]), *await self.of(texts[middle:])]
        return await asyncio.to_thread(_units, found)

    async def asked(self, questions: Sequence[str]) -> list[bytes] | None:
        """The vectors of questions; None where they can't be had now, which the log tells."""
        if self.resting:
            return None
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                found = await self._ask(questions)
            return await asyncio.to_thread(_units, found)
        except NodexaError as error:
            log.warning("searching by words alone: %s", error.message)
        except TimeoutError:
            log.warning("searching by words alone: the server of %r took too long to embed a question", self.name)
            self._fail(NodexaError("upstream_timeout", f"The server of model {self.name!r} is too slow."))
        return None

    def ranking(self, questions: Sequence[bytes], *, limit: int) -> Callable[[Iterator[Block]], list[list[int]]]:
        """What finds the passages nearest to each question among vectors, for a thread."""
        return lambda blocks: _compared().nearest(blocks, questions, limit=limit)

    async def close(self) -> None:
        """Releases connections."""
        self._embedder.close()

    async def _ask(self, texts: Sequence[str]) -> list[bytes]:
        try:
            found = await self._embedder.embed(texts)
        except NodexaError as error:
            if error.code != TOO_LONG:
                self._fail(error)
            raise
        self.trouble, self._rest, self._until = None, 0, 0
        return found

    def _fail(self, error: NodexaError) -> None:
        first, most = REST
        self.trouble = error
        self._rest = min(max(self._rest * 2, first, int((error.retry_after or 0) * 1000)), most)
        self._until = self._clock() + self._rest


def _units(vectors: Sequence[bytes]) -> list[bytes]:
    return _compared().units(vectors)


class _Compared(Protocol):
    def units(self, vectors: Sequence[bytes]) -> list[bytes]: ...

    def nearest(self, blocks: Iterator[Block], questions: Sequence[bytes], *, limit: int) -> list[list[int]]: ...


def _compared() -> _Compared:
    # NumPy is an extra.
    return importlib.import_module("service.knowledge.nearest")
