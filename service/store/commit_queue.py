"""What waits for the writer's thread: whatever has come is taken together, and many tokens after a pause for more."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import Final

from service.store.commit import Asked, Batch

GROUP_LIMIT: Final = 256
PAUSE: Final = 0.002
"""Seconds from when many tokens were taken until more are: a transaction costs as much as a dozen tokens by itself."""
MANY: Final = 6
"""So many tokens that came alone, of as many replies, mean that more are on their way."""


class CommitQueue:
    """Filled by one thread, emptied by another."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._waiting: queue.SimpleQueue[list[Asked] | None] = queue.SimpleQueue()
        self._clock = clock
        self._sleep = sleep

    def put(self, group: list[Asked]) -> None:
        """Adds what was asked for together."""
        self._waiting.put(group)

    def close(self) -> None:
        """Says that nothing follows."""
        self._waiting.put(None)

    def groups(self) -> Iterator[list[Asked]]:
        """What there is, waited for, as often as there is something. Ends behind the last."""
        not_before, over = 0.0, False
        while not over and (group := self._waiting.get()) is not None:
            # Nothing but tokens: who waits for anything else has done so for long enough.
            if _tokens(group) and (pause := not_before - self._clock()) > 0:
                self._sleep(pause)
            over = self._add_what_came(group)
            not_before = self._clock() + PAUSE if _tokens(group) >= MANY else 0.0
            yield group

    def _add_what_came(self, group: list[Asked]) -> bool:
        """Adds to a group what stands behind it. Whether nothing follows."""
        while len(group) < GROUP_LIMIT and not self._waiting.empty():
            more = self._waiting.get()
            if more is None:
                return True
            group += more
        return False


def _tokens(group: list[Asked]) -> int:
    """How many tokens that came alone there are, where there is nothing else of another kind; else none."""
    count = 0
    for asked in group:
        if not isinstance(asked, Batch) or not asked.kind.goes_on:
            return 0
        count += sum(map(asked.kind.lone, asked.rows))
    return count
