"""The cost of one request, measured again where the machine ran slowly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import Final

from bench.pace import EVEN, best_pace, pace_ms, wait_for
from bench.target import Target
from bench.threads import cost

REPEATS: Final = 8
SECONDS: Final = 1.0
"""A cost is that of at least so many requests in at least so long."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU ms of one request, and the pace of the machine meanwhile, in ms."""

    cpu: float
    pace: float


class Gauge:
    """Measures costs, each in `rounds` at most; before each it waits for a good pace, at most `wait` seconds."""

    def __init__(self, *, rounds: int, wait: float) -> None:
        self._rounds = rounds
        self._wait = wait
        self._best = best_pace() if rounds > 1 else 0.0

    def costs(self, target: Target, ask: Callable[[], object]) -> list[Cost]:
        """What each round measured. The last one is good, or the rounds are over; see `told` for which counts."""
        seen: list[Cost] = []
        while len(seen) < self._rounds:
            wait_for(self._best, self._wait)
            before = pace_ms()
            cpu, _ = cost(target, ask, repeats=REPEATS, seconds=SECONDS)
            pace = mean((before, pace_ms()))
            seen.append(Cost(cpu, pace))
            if pace <= self._best * EVEN:
                self._best = min(self._best, pace)
                break
        return seen


def told(seen: list[Cost]) -> Cost:
    """The one that counts is that of the best pace, whatever it says."""
    return min(seen, key=lambda one: one.pace)
