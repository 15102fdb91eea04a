"""How fast the machine runs just now: neighbors may halve the speed of its CPUs for seconds or minutes, unseen here.

A fixed piece of work is done on every CPU at once, and its CPU time is taken. Whatever is measured beside it costs as
much more or less.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

EVEN: Final = 1.1
"""What is at most so many times the best pace is as good as that."""
_LOOKS: Final = 4
_BETWEEN: Final = 0.2
_TRIES: Final = 3
_SIZE: Final = 6_000


def pace_ms() -> float:
    """CPU ms of the piece of work, the mean of all CPUs; less is faster."""
    children = [_started_on(cpu) for cpu in sorted(os.sched_getaffinity(0))]
    told = []
    for child, pipe in children:
        with os.fdopen(pipe) as answer:
            told.append(float(answer.read()))
        os.waitpid(child, 0)
    return sum(told) / len(told)


def best_pace(seconds: float = 5.0) -> float:
    """The best that is seen in so many seconds, ms: the machine shows how fast it can be."""
    seen, until = pace_ms(), time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(_BETWEEN)
        seen = min(seen, pace_ms())
    return seen


def wait_for(best: float, seconds: float, *, quiet: Callable[[float], bool] | None = None) -> None:
    """Returns when the machine has run at about its best a few times in a row, or after so many seconds.

    `quiet`, if given, watches something else for so many seconds between two looks, and says whether that is well, too.
    """
    until, even = time.monotonic() + seconds, 0
    while even < _LOOKS and time.monotonic() < until:
        good = pace_ms() <= best * EVEN
        if quiet is None:
            time.sleep(_BETWEEN)
        else:
            good &= quiet(_BETWEEN)
        even = even + 1 if good else 0


def _started_on(cpu: int) -> tuple[int, int]:
    """A process that does the work on one CPU, and the pipe that it tells its CPU ms into."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.sched_setaffinity(0, {cpu})
    os.write(writing, str(_work_ms()).encode())
    os._exit(0)


def _work_ms() -> float:
    """The best of some tries: the first finds nothing in the CPU's caches."""
    best = float("inf")
    for _ in range(_TRIES):
        started = time.thread_time()
        seen: dict[int, list[int]] = {}
        for number in range(_SIZE):
            seen.setdefault(number % 97, []).append(number)
        best = min(best, time.thread_time() - started)
    return best * 1000
