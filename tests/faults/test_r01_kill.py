"""R1: what a client saw survives `kill -9` of the core, at whatever moment that comes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc
import pytest
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import ResponseSettings

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

KILLS: Final = count(50, soak=1000)
STREAMS: Final = 3
"""At once, so that what they say goes to the disk together."""
PACES: Final = (0.0, 0.0005, 0.002, 0.005)
LONG: Final = words(" ".join(str(number) for number in range(1000)))


async def seen_of(
    core: CoreProcess, assistant_id: str, enough: asyncio.Event, *, background: bool, least: int = 1
) -> EventBatch:
    """What a client sees of a stream until the core is gone; `enough` is set once it has seen `least` events."""
    seen = EventBatch()
    request = asking(assistant_id, "Count 5", settings=ResponseSettings(background=background))
    try:
        async for batch in core.responses.StreamResponse(request, metadata=core.metadata):
            seen.events.extend(batch.events)
            if len(seen.events) >= least:
                enough.set()
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
    return seen


async def kill_amid_streams(
    core: CoreProcess, upstream: ChatServer, assistant_id: str, chosen: random.Random
) -> list[EventBatch]:
    """What clients saw of streams of many paces, until the core was killed at a moment that nobody chose."""
    upstream.replies.extend(Reply(LONG, pause=chosen.choice(PACES)) for _ in range(STREAMS))
    begun = asyncio.Event()
    clients = [
        asyncio.create_task(seen_of(core, assistant_id, begun, background=chosen.random() < 0.5))
        for _ in range(STREAMS)
    ]
    await begun.wait()
    # Most die young, where a log is being begun; the rest anywhere in what a core can say in a quarter of a second.
    await asyncio.sleep(chosen.random() ** 2 / 4)
    await core.kill()
    upstream.replies.clear()
    return [seen for seen in await asyncio.gather(*clients) if seen.events]


async def expect_kept(core: CoreProcess, seen: EventBatch) -> bool:
    """Fails unless the log holds what was seen, byte for byte, and ends; whether it begins anew by itself."""
    whole = await watched(core, seen.events[0].created.response.id)
    assert as_bytes(whole.events[: len(seen.events)]) == as_bytes(seen.events)
    return climb(whole.events).terminal == "completed"


def as_bytes(events: Sequence[ResponseEvent]) -> bytes:
    return EventBatch(events=events).SerializeToString(deterministic=True)


async def test_no_event_that_was_seen_is_lost(tmp_path: Path) -> None:
    data, chosen, seen = tmp_path / "var", random.Random(1), list[EventBatch]()
    total, anew = 0, 0
    async with ChatServer() as upstream:
        async with answering_core(data) as core:
            assistant_id = await assistant_on(core, upstream.url)
        for _ in range(KILLS):
            async with answering_core(data) as core:
                anew += sum(await asyncio.gather(*(expect_kept(core, each) for each in seen)))
                seen = await kill_amid_streams(core, upstream, assistant_id, chosen)
            assert wrong_with(data) == []
            total += sum(len(each.events) for each in seen)
        async with answering_core(data) as core:
            await asyncio.gather(*(expect_kept(core, each) for each in seen))
        assert wrong_with(data) == []
    assert total > KILLS * STREAMS
    measured("R1", kills=KILLS, events=total, lost=0, begun_anew=anew)
