"""R14: the log on disk stays bounded under load with readers, and retention deletes what is due.

The load is a number of events, at 2,000 a second: on a slower machine the test takes longer.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import grpc
import pytest
from nodexa.v1.admin_service_pb2 import PruneRequest
from nodexa.v1.response_service_pb2 import GetResponseRequest, ListResponsesRequest, WatchResponseRequest

from service.server import DATABASE
from service.store.sqlite import sqlite3
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.service.refusals import read

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

EVENTS: Final = count(20, soak=30 * 60) * 2000
WRITERS: Final = 40
WORDS: Final = 500
REPLY: Final = Reply(words(" ".join(str(number) for number in range(WORDS))), pause=WRITERS / 2000)
READERS: Final = 4
MOST_WAL: Final = 64 * 1024 * 1024
LOOK_SECONDS: Final = 0.05
HOLD_SECONDS: Final = 0.2
SECOND: Final = 1 / 86_400
"""In days."""


class Load:
    """Streams that write until there were enough events; `ids` are the responses that ended."""

    def __init__(self, core: CoreProcess, assistant_id: str) -> None:
        self.core = core
        self.assistant_id = assistant_id
        self.events = 0
        self.ids: list[str] = []
        self.reads = 0
        self.wal = 0

    async def write(self) -> None:
        while self.events < EVENTS:
            request = asking(self.assistant_id, "Count 5")
            response_id = ""
            async for batch in self.core.responses.StreamResponse(request, metadata=self.core.metadata):
                self.events += len(batch.events)
                response_id = response_id or batch.events[0].created.response.id
            self.ids.append(response_id)

    async def read(self) -> None:
        """Reads from the disk without a pause: lists, single responses, whole logs."""
        responses, metadata = self.core.responses, self.core.metadata
        while True:
            await responses.ListResponses(ListResponsesRequest(page_size=20), metadata=metadata)
            for response_id in self.ids[-2:]:
                await responses.GetResponse(GetResponseRequest(id=response_id), metadata=metadata)
                async for _ in responses.WatchResponse(WatchResponseRequest(id=response_id), metadata=metadata):
                    pass
            self.reads += 1

    async def hold(self) -> None:
        """Reads from outside so that there is no moment without a reader."""
        path = f"{(self.core.data / DATABASE).as_uri()}?mode=ro"
        with closing(sqlite3.connect(path, uri=True)) as one, closing(sqlite3.connect(path, uri=True)) as two:
            for conn in itertools.cycle((one, two)):
                conn.rollback()
                conn.execute("begin")
                conn.execute("select count(*) from cores").fetchone()
                await asyncio.sleep(HOLD_SECONDS)

    async def look(self) -> None:
        """Keeps the largest size that the write-ahead log ever has."""
        path = self.core.data / f"{DATABASE}-wal"
        while True:
            with suppress(FileNotFoundError):
                self.wal = max(self.wal, path.stat().st_size)
            await asyncio.sleep(LOOK_SECONDS)


async def under_load(load: Load) -> None:
    """Writes everything, with readers beside."""
    others = [asyncio.create_task(load.look()), asyncio.create_task(load.hold())]
    others += [asyncio.create_task(load.read()) for _ in range(READERS)]
    try:
        await asyncio.gather(*(load.write() for _ in range(WRITERS)))
        assert not any(other.done() for other in others), "a reader failed"
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def test_the_write_ahead_log_stays_small_although_somebody_always_reads(tmp_path: Path) -> None:
    async with ChatServer() as upstream, answering_core(tmp_path / "var") as core:
        upstream.replies.extend([REPLY] * (EVENTS // WORDS + WRITERS))
        load = Load(core, await assistant_on(core, upstream.url))
        begun = asyncio.get_running_loop().time()
        await under_load(load)
        seconds = asyncio.get_running_loop().time() - begun
        assert await core.terminate() == 0
    measured("R14", events=load.events, a_second=load.events / seconds, wal_megabytes=load.wal / 1e6, reads=load.reads)
    assert load.reads > 0
    assert load.wal <= MOST_WAL
    assert wrong_with(tmp_path / "var") == []


async def reason(call: Awaitable[object]) -> str:
    """Why a call is refused; empty for one that is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return read(error).reason
    return ""


async def pruned_until(core: CoreProcess, call: Callable[[], Awaitable[object]], refused: str) -> None:
    """Has what is due deleted until the call is refused for that reason."""
    async with asyncio.timeout(30):
        while await reason(call()) != refused:
            await core.admin.Prune(PruneRequest(), metadata=core.metadata)


async def test_what_is_due_is_deleted_logs_first(tmp_path: Path) -> None:
    kept = ("--keep-log-days", str(SECOND), "--keep-days", str(4 * SECOND))
    async with ChatServer() as upstream, answering_core(tmp_path / "var", *kept) as core:
        made = await core.responses.CreateResponse(
            asking(await assistant_on(core, upstream.url), "Count 5"), metadata=core.metadata
        )
        reading = GetResponseRequest(id=made.id)

        await pruned_until(core, lambda: watched(core, made.id), "events_expired")
        assert await core.responses.GetResponse(reading, metadata=core.metadata) == made
        await pruned_until(
            core, lambda: core.responses.GetResponse(reading, metadata=core.metadata), "response_not_found"
        )
        assert await core.terminate() == 0
    assert wrong_with(tmp_path / "var") == []
    with closing(sqlite3.connect(tmp_path / "var" / DATABASE)) as conn:
        assert conn.execute("select count(*) from responses, response_segments").fetchone() == (0,)
