"""Runs that were under way when a version without the daybook was killed come to their ends under this one."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import GetResponseRequest, WatchResponseRequest

from service.server import DATABASE
from service.store.sqlite import sqlite3
from tests.fakes.chat_server import ChatServer, Raw
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import SECONDS, CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.faults.test_r01_kill import as_bytes, seen_of
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(120)

Rows = list[tuple[str, int, int, bytes]]

SLOW: Final = Reply(words(" ".join(str(number) for number in range(10_000))), pause=0.01)
EVENTS: Final = 10
SILENT: Final = Raw((), hold=True)


async def killed(core: CoreProcess, upstream: ChatServer, assistant_id: str) -> tuple[str, list[EventBatch]]:
    """Has a core killed while it runs: the response that has said nothing, and what was seen of those that speak."""
    upstream.replies.extend([SILENT, SLOW, SLOW])
    request = asking(assistant_id, "Hello", settings=ResponseSettings(background=True))
    silent = await core.responses.CreateResponse(request, metadata=core.metadata)
    await upstream.until_asked(1)
    enough = [asyncio.Event(), asyncio.Event()]
    clients = [
        asyncio.create_task(seen_of(core, assistant_id, each, background=background, least=EVENTS))
        for each, background in zip(enough, (False, True), strict=True)
    ]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(each.wait() for each in enough))
    await core.kill()
    return silent.id, await asyncio.gather(*clients)


def segments(data: Path) -> Rows:
    """All logs as they are stored."""
    with closing(sqlite3.connect(data / DATABASE)) as conn:
        return conn.execute("select * from response_segments order by response_id, first_seq").fetchall()


def make_older(data: Path) -> None:
    """Takes the step back that made the daybook."""
    with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as conn:
        assert conn.execute("select count(*) from daybook").fetchone() == (0,)
        conn.execute("drop table daybook")
        assert conn.execute("delete from _sqlite_migrations where name = '0021_daybook'").rowcount == 1


async def replayed(core: CoreProcess, response_id: str, after: int) -> EventBatch:
    """What a client hears that has heard everything up to number `after`."""
    request = WatchResponseRequest(id=response_id, starting_after=after)
    heard = EventBatch()
    async for batch in core.responses.WatchResponse(request, metadata=core.metadata):
        heard.events.extend(batch.events)
    return heard


async def expect_interrupted(core: CoreProcess, seen: EventBatch) -> None:
    """Fails unless the log holds what was seen and ends as failed, each time that it is read."""
    response_id = seen.events[0].created.response.id
    whole = await watched(core, response_id)
    assert as_bytes(whole.events[: len(seen.events)]) == as_bytes(seen.events)
    assert climb(whole.events).terminal == "failed"
    assert await watched(core, response_id) == whole
    middle = len(whole.events) // 2
    assert list((await replayed(core, response_id, middle)).events) == list(whole.events[middle + 1 :])
    response = await core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=core.metadata)
    assert (response.status, response.error.code) == (Response.STATUS_FAILED, "server_error")
    assert response.output[0].message.content[0].output_text.text.startswith("0 1 2 3")


async def test_what_an_older_version_was_killed_in_is_kept_and_ends(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        # Cores that share a database write to it as all did before there was a daybook.
        async with answering_core(data, "--shared") as core:
            assistant_id = await assistant_on(core, upstream.url)
            silent, speaking = await killed(core, upstream, assistant_id)
        make_older(data)
        stored = segments(data)

        async with answering_core(data) as core:
            for seen in speaking:
                await expect_interrupted(core, seen)
            assert climb((await watched(core, silent)).events).terminal == "completed"
            made = await core.responses.CreateResponse(asking(assistant_id, "Hello"), metadata=core.metadata)
            assert made.status == Response.STATUS_COMPLETED
            assert await core.terminate() == 0
    assert set(stored) < set(segments(data))
    assert wrong_with(data) == []
