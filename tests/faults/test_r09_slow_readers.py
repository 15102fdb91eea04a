"""R9: a reader that doesn't read costs bounded memory and slows nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply
from tests.faults.counts import SOAK, count, measured, percentile
from tests.faults.http import ask, line, request
from tests.faults.whole import Whole, cpu_seconds, settled, usage, whole_with_assistant

READERS: Final = 50
MOST_KB: Final = 256
"""For each of them, core and bridge together."""
LARGE: Final = Reply([f"{number:0100d} " for number in range(10_000)])
"""Several megabytes of events."""
SMALLEST: Final = 4096


@dataclass(slots=True)
class Pace:
    """How normal clients fare: seconds each, and processor seconds of the server for all of them."""

    latencies: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def p99_ms(self) -> float:
        return round(percentile(self.latencies, 0.99) * 1000, 1)


@dataclass(frozen=True, slots=True)
class Server:
    """A Nodexa, and what its clients ask."""

    nodexa: Whole
    wanted: bytes
    watch: bytes
    """A response far larger than what may wait for a client."""


@asynccontextmanager
async def server(data: Path, upstream: ChatServer) -> AsyncIterator[Server]:
    async with whole_with_assistant(data, upstream.url) as (nodexa, assistant_id):
        post, model = ("POST", "/v1/responses", nodexa.key), {"model": assistant_id}
        upstream.replies.append(LARGE)
        made = await ask(nodexa.port, request(*post, {**model, "input": "Much", "background": True}))
        watch = request("GET", f"/v1/responses/{made.json['id']}?stream=true", nodexa.key)
        yield Server(nodexa, request(*post, {**model, "input": "count 20", "stream": True}), watch)
        # Not before: what is freed by one who reads all of it would not be seen to be used by those who don't.
        assert len((await ask(nodexa.port, watch)).body) > 2_000_000
        assert nodexa.complaints() == []


@asynccontextmanager
async def never_reading(slow: Server) -> AsyncIterator[None]:
    """Clients that have the large response sent to them and take none of it."""
    async with AsyncExitStack() as stack:
        for _ in range(READERS):
            reader = await stack.enter_async_context(line(slow.nodexa.port, buffer=SMALLEST))
            reader.writer.write(slow.watch)
            await reader.until(b"HTTP/1.1 200")
            transport = reader.writer.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
        yield


async def in_turns(times: int, *paces: tuple[Server, Pace]) -> None:
    """Asks each of the servers so many times, one after the other."""
    loop = asyncio.get_running_loop()
    used = [cpu_seconds(*each.nodexa.pids) for each, _ in paces]
    for turn in range(times):
        for each, pace in paces[:: 1 if turn % 2 else -1]:
            begun = loop.time()
            assert (await ask(each.nodexa.port, each.wanted)).events[-1]["type"] == "response.completed"
            pace.latencies.append(loop.time() - begun)
    for (each, pace), before in zip(paces, used, strict=True):
        pace.cpu += cpu_seconds(*each.nodexa.pids) - before


async def test_readers_that_never_read_cost_little_and_slow_nobody(tmp_path: Path) -> None:
    times = count(100, soak=2000)
    beside, alone, kb_each = Pace(), Pace(), []
    # What a request costs differs by a fifth from one minute to the next on a machine that others use too. So there
    # are two servers, asked in turns: one with such readers, one without; then the other way round.
    async with ChatServer() as upstream, server(tmp_path / "a", upstream) as a, server(tmp_path / "b", upstream) as b:
        await in_turns(times // 2, (a, Pace()), (b, Pace()))
        for slow, other in ((a, b), (b, a))[: count(1, soak=2)]:
            before = usage(*slow.nodexa.pids)
            async with never_reading(slow):
                held = (await settled(*slow.nodexa.pids)).memory - before.memory
                kb_each.append(round(held / READERS / 1024))
                await in_turns(times, (slow, beside), (other, alone))
    figures = {"cpu_more": round(beside.cpu / alone.cpu, 3), "p99_alone_ms": alone.p99_ms()}
    measured("R9", readers=READERS, kB_each=max(kb_each), p99_beside_ms=beside.p99_ms(), **figures)
    assert max(kb_each) <= MOST_KB
    # Time on a shared machine is not for a test; what the processor does is.
    assert beside.cpu <= alone.cpu * (1.1 if SOAK else 1.3), figures
