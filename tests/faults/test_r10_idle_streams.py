"""R10: idle streams cost little, and every one of them hears that it is alive.

In CI there are 2,000 rather than 10,000, which take minutes to open, and the bound on memory is in proportion.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.faults.core_process import ROOT, SECONDS, assistant_on
from tests.faults.counts import SOAK, count, measured, percentile
from tests.faults.http import request
from tests.faults.whole import usage, whole

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)

STREAMS: Final = 10_000
MEMORY: Final = 2**30
HEARTBEAT: Final = b": heartbeat\n\n"
INTERVAL: Final = 15.0 if SOAK else 4.0
BEATS: Final = 2 if SOAK else 1
AT_ONCE: Final = 50
SPARE_FILES: Final = 500


class Listener(asyncio.Protocol):
    """A client that only notes when its first event and its heartbeats came."""

    def __init__(self, wanted: bytes) -> None:
        self.begun = asyncio.Event()
        self.enough = asyncio.Event()
        self.beats: list[float] = []
        self.lost = False
        self._wanted = wanted
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._wanted)

    def data_received(self, data: bytes) -> None:
        if b"response.output_text.delta" in data:
            self.begun.set()
        if HEARTBEAT in data:
            self.beats.append(self._loop.time())
            if len(self.beats) > BEATS:
                self.enough.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """The base URL of a fake model server with a process, and so file descriptors, of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.chat_server"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        async with asyncio.timeout(SECONDS):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        await process.wait()


def itself(one: Listener) -> Listener:
    return one


def room_for(streams: int) -> int:
    """How many of them this machine lets a process have; every process that starts behind this may have as many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(streams, hard - SPARE_FILES)


async def test_idle_streams_cost_little_and_hear_heartbeats(tmp_path: Path) -> None:
    streams = room_for(count(2000, soak=STREAMS))
    env = {"NODEXA_BRIDGE_HEARTBEAT_SECONDS": str(INTERVAL)}
    loop = asyncio.get_running_loop()
    async with (
        model_server() as base_url,
        whole(tmp_path / "var", env=env) as nodexa,
    ):
        # To open them all takes longer than a model server may be silent by itself.
        assistant_id = await assistant_on(nodexa.core, base_url, idle_seconds=600)
        body = {"model": assistant_id, "input": "hang Once", "stream": True}
        wanted = request("POST", "/v1/responses", nodexa.key, body)
        before = usage(*nodexa.pids)
        listeners: list[Listener] = []
        for start in range(0, streams, AT_ONCE):
            some = [Listener(wanted) for _ in range(min(AT_ONCE, streams - start))]
            opened = [loop.create_connection(partial(itself, one), "127.0.0.1", nodexa.port) for one in some]
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(*opened)
                await asyncio.gather(*(one.begun.wait() for one in some))
            listeners += some
        async with asyncio.timeout(INTERVAL * (BEATS + 2)):
            await asyncio.gather(*(one.enough.wait() for one in listeners))
        after = usage(*nodexa.pids)
        assert not any(one.lost for one in listeners)
        assert nodexa.complaints() == []
    gaps = [later - sooner for one in listeners for sooner, later in zip(one.beats, one.beats[1:], strict=False)]
    late = max(abs(gap - INTERVAL) for gap in gaps)
    each = (after.memory - before.memory) / streams
    figures = {
        "streams": streams,
        "memory_mb": round(after.memory / 2**20),
        "kB_each": round(each / 1024, 1),
        "heartbeat_seconds": INTERVAL,
        "late_p99_ms": round(percentile([abs(gap - INTERVAL) for gap in gaps], 0.99) * 1000),
        "late_most_ms": round(late * 1000),
    }
    measured("R10", **figures)
    assert before.memory + each * STREAMS <= MEMORY, figures
    if SOAK:
        assert late <= 1.0, figures
