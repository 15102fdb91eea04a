"""The log of a run that another core writes, read from the disk as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from service.errors import NodexaError
from service.runner.log import MESSAGE_BYTES, messages
from service.store.responses import ResponseStore

ENOUGH: Final = 4 * MESSAGE_BYTES
"""Bytes of the log that a reader has in hand: one that doesn't read on holds no more."""
PAUSE: Final = 0.05
"""Seconds between two looks: another process can't wake this one."""


async def tail(store: ResponseStore, org_id: str, response_id: str, after: int) -> AsyncGenerator[bytes, None]:
    """Serialized batches of the events after number `after`, to the terminal one.

    Raises NodexaError `events_expired` where the response outlived its log, `response_not_found` where it was deleted
    meanwhile.
    """
    while True:
        # Asked before the log is read: what is final has its whole log.
        state = await store.state(org_id, response_id)
        if state is None:
            raise NodexaError("response_not_found", f"No response {response_id!r}.", param="id")
        if state.log_dropped:
            raise NodexaError(
                "events_expired",
                f"The events of {response_id!r} are not kept any more; the response itself is: get it without stream.",
                param="id",
            )
        segments = await store.segments(org_id, response_id, after, enough=ENOUGH)
        for message in messages(segments, after):
            yield message
        if segments:
            after = max(after, segments[-1].last)
        if state.final and sum(len(segment.data) for segment in segments) < ENOUGH:
            return
        if not segments:
            await asyncio.sleep(PAUSE)
