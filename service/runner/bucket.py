"""What is left of a limit per minute, as a value: in whole numbers, so that a wait is exact. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MINUTE: Final = 60_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Holds `limit` units at most and gets as many in a minute.

    `level` is what was in it at the time `at`, in sixty-thousandths of a unit: a limit of n adds n of them every
    millisecond. Below zero it is in debt. Times are in milliseconds.
    """

    limit: int
    level: int
    at: int

    def refilled(self, now: int) -> Bucket:
        """The same at a later time. A clock that went back adds nothing."""
        level = self.level + max(0, now - self.at) * self.limit
        return Bucket(self.limit, min(level, self.limit * MINUTE), now)

    def without(self, amount: int) -> Bucket:
        """The same after `amount` units were used, whether they were there or not."""
        return replace(self, level=self.level - amount * MINUTE)

    def changed(self, limit: int) -> Bucket:
        """The same under another limit: what was used stays used."""
        return Bucket(limit, min(self.level, limit * MINUTE), self.at)

    @property
    def remaining(self) -> int:
        """Whole units that can be used now."""
        return max(0, self.level // MINUTE)

    @property
    def wait(self) -> int:
        """How long until one unit can be used; 0 for now."""
        return _ceiling(MINUTE - self.level, self.limit)

    @property
    def reset(self) -> int:
        """How long until it is full."""
        return _ceiling(self.limit * MINUTE - self.level, self.limit)


def full(limit: int, now: int) -> Bucket:
    """A bucket that nobody has used yet. `limit` is at least 1."""
    return Bucket(limit, limit * MINUTE, now)


def _ceiling(missing: int, rate: int) -> int:
    return max(0, -(-missing // rate))
