"""What was read is kept at hand for a second: many who want the same ask for it once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SECONDS_AT_HAND: Final = 0.9
WHILE_ASKED: Final = 0.1
"""Seconds for which all others still take what is at hand, while the first asks anew: a second in all."""


class AtHand(Generic[K, V]):
    """What `ask` was answered for each of `most` names. None is no answer, and is not kept.

    What is returned was true at some time in the last second, however long an answer takes.
    """

    def __init__(self, *, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._asked: dict[K, tuple[float, asyncio.Task[V | None]]] = {}

    def find(self, name: K) -> V | None:
        """What is at hand; None where somebody has to ask."""
        found = self._kept.get(name)
        if found is None:
            return None
        until, value = found
        now = self._clock()
        return value if now < until or (name in self._asked and now < until + WHILE_ASKED) else None

    async def get(self, name: K, ask: Callable[[], Awaitable[V | None]]) -> V | None:
        """What is at hand, or else the answer of `ask`, to which all who want it meanwhile listen. Raises as `ask`."""
        found = self.find(name)
        if found is not None:
            return found
        asked = self._asked.get(name)
        # Counted from the question: what changes while its answer is on its way must not be hidden for longer.
        if asked is None or asked[0] + SECONDS_AT_HAND <= self._clock():
            asked = self._asked[name] = (self._clock(), asyncio.create_task(self._ask(name, ask)))
            asked[1].add_done_callback(_looked_at)
        # The one who asked first may leave; the others still listen.
        return await asyncio.shield(asked[1])

    def forget(self) -> None:
        """Asks for everything anew, also where an answer is on its way."""
        self._kept = {name: (float("-inf"), value) for name, (_, value) in self._kept.items()}
        self._asked.clear()

    async def _ask(self, name: K, ask: Callable[[], Awaitable[V | None]]) -> V | None:
        task, asked_at = asyncio.current_task(), self._clock()
        try:
            value = await ask()
            if value is None:
                self._kept.pop(name, None)
            elif self._is_asked_by(name, task):
                value = self._keep(name, value, asked_at + SECONDS_AT_HAND)
            return value
        finally:
            if self._is_asked_by(name, task):
                del self._asked[name]

    def _keep(self, name: K, value: V, until: float) -> V:
        kept = self._kept.get(name)
        # The same object where nothing changed: what was made of it stays good.
        if kept is not None and kept[1] == value:
            value = kept[1]
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[name] = (until, value)
        return value

    def _is_asked_by(self, name: K, task: asyncio.Task[V | None] | None) -> bool:
        """Whether this is still the question whose answer counts."""
        asked = self._asked.get(name)
        return asked is not None and asked[1] is task


def _looked_at(task: asyncio.Task[object]) -> None:
    """Where all who listened have left, nobody misses an error."""
    if not task.cancelled():
        task.exception()
