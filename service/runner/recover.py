"""What a core does first: it ends the responses that the last one left behind, and tells the truth about them."""

from __future__ import annotations

import logging
from typing import Final

from nodexa.v1.response_pb2 import Response

from service.errors import NodexaError
from service.ids import NewId
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.runner.lifecycle import word
from service.runner.log import events_of, segment_of
from service.settings import Clock
from service.store.responses import ResponseRow, ResponseStore

INTERRUPTED: Final = "The response was interrupted: the server stopped while it was being made."

log = logging.getLogger(__name__)


async def recover(store: ResponseStore, *, clock: Clock, new_id: NewId) -> int:
    """Ends every unfinished response as failed, with its output so far; how many that were."""
    left = await store.unfinished()
    for row in left:
        await _settle(store, row, clock=clock, new_id=new_id)
        log.warning("%s was interrupted and is failed now", row.id)
    return len(left)


async def _settle(store: ResponseStore, row: ResponseRow, *, clock: Clock, new_id: NewId) -> None:
    segments = await store.segments(row.org_id, row.id, after=-1)
    response = fold(events_of(segments))
    emitter = Emitter(response, new_id=new_id, next_sequence=segments[-1].last + 1)
    error = NodexaError("server_error", INTERRUPTED)
    batch = emitter.finish(Response.STATUS_FAILED, now=clock(), error=error)
    await store.finish(
        row.id,
        segment_of(batch),
        status=word(response.status),
        result=response.SerializeToString(),
        finished_at=response.complete_time.ToMilliseconds(),
        item_ids=[item.id for item in response.output],
    )
