"""Who may start how much: what each key and organization has used, in this core's memory."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType, TracebackType
from typing import Final

from nodexa.v1.admin_pb2 import Limits
from nodexa.v1.response_pb2 import Usage

from service.errors import NodexaError
from service.runner.bucket import Bucket, full
from service.runner.caller import Caller

UNTIL_A_RUN_ENDS: Final = 1_000
"""Milliseconds to wait where a run has to end first: nobody can know when one does."""
_PER_MINUTE: Final = MappingProxyType({"requests": "requests_per_minute", "tokens": "tokens_per_minute"})


@dataclass(frozen=True, slots=True)
class Rate:
    """How a limit per minute stands; `reset` is the milliseconds until all of it is there again."""

    limit: int
    remaining: int
    reset: int


Standing = Mapping[str, Rate]
"""How `requests` and `tokens` stand, of a key and its organization the tighter one; without what is unlimited."""


LimitsOf = Callable[[str], Awaitable[tuple[Limits | None, Limits | None]]]
"""The limits of a key, by its id, and those of its organization; None where there are none."""


class LimitError(NodexaError):
    """`rate_limit_exceeded` by a limit of ours, not of a model server; nothing was started. `wait` is in ms."""

    def __init__(self, reason: str, *, wait: int, standing: Standing) -> None:
        message = f"{reason}; try again in {math.ceil(wait / 1000)} s."
        super().__init__("rate_limit_exceeded", message, retry_after=wait / 1000)
        self.standing = standing


@dataclass(slots=True)
class _Holder:
    """A key or an organization: its limits, and what it has used of them."""

    whose: str
    limits: Limits
    buckets: dict[str, Bucket] = field(default_factory=dict)
    running: int = 0

    def refill(self, now: int) -> None:
        for name, attribute in _PER_MINUTE.items():
            if limit := getattr(self.limits, attribute):
                bucket = self.buckets.get(name) or full(limit, now)
                self.buckets[name] = bucket.refilled(now).changed(limit)
            else:
                self.buckets.pop(name, None)

    def take(self, name: str, amount: int) -> None:
        if name in self.buckets:
            self.buckets[name] = self.buckets[name].without(amount)

    def obstacles(self) -> Iterator[tuple[int, str]]:
        """The milliseconds to wait until one more run may start, and why, for each limit that is reached."""
        for name, bucket in self.buckets.items():
            if bucket.wait:
                units = name if bucket.limit > 1 else name.removesuffix("s")
                yield bucket.wait, f"{self.whose} may use {bucket.limit} {units} a minute, and none is left"
        most = self.limits.concurrent_runs
        if most and self.running >= most:
            yield UNTIL_A_RUN_ENDS, f"{self.whose} may have {most} running at the same time, and they all run"


class Permit:
    """One run's place under the limits. Leaving its block gives it back, unless it was kept for a run that goes on."""

    def __init__(self, holders: Sequence[_Holder] = (), now: Callable[[], int] = int) -> None:
        self._holders = holders
        self._now = now
        self._kept = False

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            self.leave()

    def keep(self) -> None:
        """Holds the place beyond the block, until `leave`."""
        self._kept = True

    def leave(self, usage: Usage | None = None) -> None:
        """Gives the place back, and charges what the run has used, if anybody counted. The second time does nothing."""
        for holder in self._holders:
            holder.running -= 1
            holder.refill(self._now())
            if usage is not None:
                holder.take("tokens", usage.input_tokens + usage.output_tokens)
        self._holders = ()


FREE: Final = Permit()
"""The permit of whoever has no limits."""


class Limiter:
    """Counts for every key and organization that has limits. `now` tells milliseconds, and never goes back.

    `limits_of` is asked for callers who aren't there any more.
    """

    def __init__(self, now: Callable[[], int], limits_of: LimitsOf) -> None:
        self._now = now
        self._limits_of = limits_of
        self._held: dict[str, _Holder] = {}

    def enter(self, caller: Caller) -> Permit:
        """Lets the caller start one more run. Raises LimitError, and counts nothing then."""
        if not caller.limited:
            return FREE
        holders = self._holders(caller)
        obstacles = [obstacle for holder in holders for obstacle in holder.obstacles()]
        if obstacles:
            wait, reason = max(obstacles)
            raise LimitError(reason, wait=wait, standing=_standing(holders))
        for holder in holders:
            holder.running += 1
            holder.take("requests", 1)
        return Permit(holders, self._now)

    async def resume(self, caller: Caller) -> Permit:
        """The place of a run that was let in before, by a core that is gone: it is counted, and never refused."""
        of_key, of_org = await self._limits_of(caller.key_id)
        holders = self._holders(replace(caller, key_limits=of_key, org_limits=of_org))
        for holder in holders:
            holder.running += 1
        return Permit(holders, self._now) if holders else FREE

    def standing(self, caller: Caller) -> Standing:
        """How the caller's limits stand now."""
        return _standing(self._holders(caller))

    def _holders(self, caller: Caller) -> Sequence[_Holder]:
        now = self._now()
        limited = (
            (caller.key_id, "This API key", caller.key_limits),
            (caller.org_id, "This API key's organization", caller.org_limits),
        )
        found = []
        for name, whose, limits in limited:
            if limits is not None:
                holder = self._held.setdefault(name, _Holder(whose, limits))
                holder.limits = limits
                holder.refill(now)
                found.append(holder)
        return found


def _standing(holders: Sequence[_Holder]) -> Standing:
    standing: dict[str, Rate] = {}
    for holder in holders:
        for name, bucket in holder.buckets.items():
            if name not in standing or bucket.remaining < standing[name].remaining:
                standing[name] = Rate(bucket.limit, bucket.remaining, bucket.reset)
    return standing
