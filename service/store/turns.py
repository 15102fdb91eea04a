"""Turns of writing: the processes that share a database write one after the other, and nobody is overtaken.

SQLite's own lock goes to whoever asks first: mostly that is who has just written, while who waits for it sleeps longer
and longer. Here each asks to be the next before it waits for its turn. All this is politeness: who gets no turn in
time, since a process was stopped in the middle of its own, asks SQLite all the same.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 0.25
"""Seconds that a turn is waited for: many transactions' time."""
PAUSE: Final = 0.0002
"""Seconds between two looks: there is no lock of files that is waited for with a limit."""
_NEXT: Final = 0
_WRITING: Final = 1
"""Bytes of the file, of which each is a lock that dies with its process."""


class Turns:
    """The turns of one writer, told of in the file at `path`."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._clock = clock

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for the turn, and ends it."""
        until = self._clock() + PATIENCE
        is_next = self._wait_for(_NEXT, until)
        self._wait_for(_WRITING, until)
        if is_next:
            self._release(_NEXT)
        try:
            yield
        finally:
            self._release(_WRITING)

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._file)

    def _wait_for(self, place: int, until: float) -> bool:
        while not self._take(place):
            if self._clock() >= until:
                return False
            time.sleep(PAUSE)
        return True

    def _take(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def _release(self, place: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
