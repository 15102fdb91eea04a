"""R9: a reader that doesn't read costs bounded memory and slows nobody."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply
from tests.faults.counts import SOAK, count, measured, percentile
from tests.faults.http import ask, line, request
from tests.faults.whole import Whole, cpu_seconds, settled, usage, whole_with_assistant

READERS: Final = 50
BOUND: Final = 256 * 1024
LARGE: Final = Reply([f"{number:0100d} " for number in range(10_000)])
"""Several megabytes of events."""
SMALLEST: Final = 4096


@dataclass(frozen=True, slots=True)
class Pace:
    """How normal clients fare: seconds each, and processor seconds of the server for each."""

    latencies: list[float]
    cpu: float


async def normal(nodexa: Whole, assistant_id: str, times: int) -> Pace:
    """What requests cost of clients that read."""
    wanted = request("POST", "/v1/responses", nodexa.key, {"model": assistant_id, "input": "count 20", "stream": True})
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    used = cpu_seconds(*nodexa.pids)
    for _ in range(times):
        begun = loop.time()
        assert (await ask(nodexa.port, wanted)).events[-1]["type"] == "response.completed"
        latencies.append(loop.time() - begun)
    return Pace(latencies, (cpu_seconds(*nodexa.pids) - used) / times)


async def test_readers_that_never_read_cost_little_and_slow_nobody(tmp_path: Path) -> None:
    times = count(200, soak=2000)
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        upstream.replies.append(LARGE)
        body = {"model": assistant_id, "input": "Much", "background": True}
        made = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
        watch = request("GET", f"/v1/responses/{made.json['id']}?stream=true", nodexa.key)
        assert len((await ask(nodexa.port, watch)).body) > 2_000_000

        await normal(nodexa, assistant_id, times)
        alone = await normal(nodexa, assistant_id, times)
        before = usage(*nodexa.pids)
        async with AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(line(nodexa.port, buffer=SMALLEST)) for _ in range(READERS)]
            for reader in readers:
                reader.writer.write(watch)
                await reader.until(b"HTTP/1.1 200")
                transport = reader.writer.transport
                assert isinstance(transport, asyncio.Transport)
                transport.pause_reading()
            each = ((await settled(*nodexa.pids)).memory - before.memory) / READERS
            beside = await normal(nodexa, assistant_id, times)
        assert nodexa.complaints() == []
    figures = {
        "kB_each": round(each / 1024),
        "p99_alone_ms": round(percentile(alone.latencies, 0.99) * 1000, 1),
        "p99_beside_ms": round(percentile(beside.latencies, 0.99) * 1000, 1),
        "cpu_more": round(beside.cpu / alone.cpu, 2),
    }
    measured("R9", readers=READERS, **figures)
    assert each <= BOUND, figures
    # Time on a shared machine is not for a test; what the processor does is.
    assert beside.cpu <= alone.cpu * (1.1 if SOAK else 1.5), figures
