"""What a core does by itself from time to time: it deletes what was kept long enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.errors import NodexaError
from service.settings import Clock
from service.store.retention import Retention

REQUEST_IDS_KEPT: Final = 24 * 3600 * 1000
"""Milliseconds."""
ACTS_KEPT: Final = 365 * 24 * 3600 * 1000
"""Milliseconds from an act of an administrator until the audit log forgets it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was deleted: whole responses, and logs of responses that stay."""

    responses: int
    logs: int


class Upkeep:
    """Deletes by age. `log_retention` is in seconds from a response's end; how long that stays, it says itself.

    `also` is what else is done each time.
    """

    def __init__(
        self,
        retention: Retention,
        *,
        clock: Clock,
        log_retention: float,
        also: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        self._retention = retention
        self._clock = clock
        self._log_retention = log_retention
        self._also = also

    async def prune(self) -> Pruned:
        """Deletes what is due now. Raises NodexaError `storage_unavailable`."""
        now = self._clock()
        responses = await self._retention.expire(now)
        await self._retention.forget_requests(now - REQUEST_IDS_KEPT)
        await self._retention.forget_acts(now - ACTS_KEPT)
        logs = await self._retention.drop_logs(now - int(self._log_retention * 1000))
        for act in self._also:
            await act()
        if responses or logs:
            log.info("deleted %d responses and the logs of %d more: they were kept long enough", responses, logs)
        return Pruned(responses, logs)

    async def run(self, every: float) -> None:
        """Prunes at once and then every so many seconds, until it is cancelled."""
        while True:
            try:
                await self.prune()
            except NodexaError as error:
                log.error("nothing could be deleted, it is tried again later: %s", error.message)
            await asyncio.sleep(every)
