"""Whether the disk is so quick that the loop waits for it itself.

A thread for it is woken on another CPU and waits for the interpreter, again and again: a quick disk costs less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

QUICK: Final = 0.001
"""Seconds that a transaction may wait, in the mean of the last few."""
REST: Final = 1.0
"""Seconds until a disk that wasn't quick is tried again."""
_WEIGHT: Final = 1 / 16


class Quickness:
    """What the loop knows of it. A disk that stands still holds the loop back once; then a thread waits for a while."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mean = 0.0
        self._not_before = 0.0

    def __bool__(self) -> bool:
        return not self._not_before or self._clock() >= self._not_before

    def seen_in(self, write: Callable[[Any], T], what: Any) -> T:
        """Writes, and learns from how long that waited: time without the CPU."""
        began, worked = time.perf_counter(), time.thread_time()
        try:
            return write(what)
        finally:
            self.took(time.perf_counter() - began - (time.thread_time() - worked))

    def took(self, waited: float) -> None:
        """Hears how many seconds a transaction waited."""
        self._mean += (waited - self._mean) * _WEIGHT
        self._not_before = 0.0
        if self._mean > QUICK:
            self._mean, self._not_before = 0.0, self._clock() + REST
