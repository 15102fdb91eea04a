"""R8: clients that hang up leave nothing behind, whenever they do it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import delete_all_but
from tests.faults.counts import count, measured
from tests.faults.http import ask, line, request
from tests.faults.whole import Usage, Whole, cpu_seconds, settled, usage, whole_with_assistant

LONG: Final = Reply(words(" ".join(str(number) for number in range(5000))), pause=0.002)
AT_ONCE: Final = 25
RANDOM_SECONDS: Final = 0.2
WARM_UP: Final = 1000
ROUNDS: Final = 3
MOST: Final = 1.05
"""Times the memory before a round."""
IDLE_SECONDS: Final = 2.0
POOLED: Final = 5
"""Connections that come and go by themselves."""


def requests_of(nodexa: Whole, assistant_id: str, running: str) -> list[bytes]:
    """What the clients that leave have asked for: every way to wait for something."""
    body = {"model": assistant_id, "input": "Count"}
    post = ("POST", "/v1/responses", nodexa.key)
    return [
        request(*post, {**body, "stream": True}),
        request(*post, {**body, "stream": True, "store": False}),
        request(*post, body),
        request("GET", f"/v1/responses/{running}?stream=true", nodexa.key),
        request("GET", f"/v1/responses/{running}?stream=true&starting_after=3", nodexa.key),
        request(*post, {**body, "stream": True})[:-20],
    ]


async def depart(port: int, asked: list[bytes], times: int, chance: Callable[[], float]) -> None:
    """Asks and hangs up, so many times, a few clients at once."""

    async def client(which: int) -> None:
        async with line(port) as one:
            one.writer.write(asked[which % len(asked)])
            reading = asyncio.create_task(one.reader.read())
            # At any moment is what is promised.
            await asyncio.sleep(chance() ** 2 * RANDOM_SECONDS)
            reading.cancel()

    for start in range(0, times, AT_ONCE):
        await asyncio.gather(*(client(which) for which in range(start, min(start + AT_ONCE, times))))


@dataclass(frozen=True, slots=True)
class Round:
    """What the processes had before and after some departures, and how many times the memory of each it was then."""

    before: Usage
    after: Usage
    core: float
    bridge: float


async def a_round(nodexa: Whole, asked: list[bytes], kept: str, departures: int, chance: Callable[[], float]) -> Round:
    """Lets so many clients hang up, and deletes what they left."""
    before = await settled(*nodexa.pids)
    memory = [usage(pid).memory for pid in nodexa.pids]
    for _ in range(0, departures, WARM_UP):
        await depart(nodexa.port, asked, WARM_UP, chance)
        await delete_all_but(nodexa.core, kept)
    most = replace(before, sockets=before.sockets + POOLED, files=before.files + POOLED)
    after = await settled(*nodexa.pids, most=most)
    core, bridge = (usage(pid).memory / had for pid, had in zip(nodexa.pids, memory, strict=True))
    return Round(before, after, core, bridge)


async def test_clients_that_hang_up_leave_no_socket_no_memory_and_no_work(tmp_path: Path) -> None:
    chosen = random.Random(8)
    departures = count(1000, soak=10_000)
    async with (
        ChatServer() as upstream,
        whole_with_assistant(tmp_path / "var", upstream.url, "--grace", "0.2") as (nodexa, assistant_id),
    ):
        upstream.replies.extend([LONG] * (ROUNDS * departures + WARM_UP + 10))
        body = {"model": assistant_id, "input": "Count", "background": True}
        upstream.replies.appendleft(Reply(words("one two three four five")))
        made = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
        kept = made.json["id"]
        asked = requests_of(nodexa, assistant_id, kept)

        await depart(nodexa.port, asked, WARM_UP, chosen.random)
        await delete_all_but(nodexa.core, kept)
        # What a first load leaves is no leak: pools, threads, caches, and what the allocators keep. Mostly it is all
        # there behind a thousand clients; a leak is what grows in every round.
        found = await a_round(nodexa, asked, kept, departures, chosen.random)
        for _ in range(ROUNDS - 1):
            if max(found.core, found.bridge) > MOST:
                found = await a_round(nodexa, asked, kept, departures, chosen.random)

        busy = cpu_seconds(*nodexa.pids)
        await asyncio.sleep(IDLE_SECONDS)
        assert cpu_seconds(*nodexa.pids) - busy < IDLE_SECONDS / 4, "something goes on for nobody"
        assert nodexa.complaints() == []
    assert found.bridge <= MOST
    assert found.core <= MOST
    measured("R8", departures=departures, **grown(found.before, found.after), core=found.core, bridge=found.bridge)


def grown(baseline: Usage, after: Usage) -> dict[str, float]:
    """The figures of a run."""
    return {
        "memory_before_mb": round(baseline.memory / 2**20, 1),
        "memory_after_mb": round(after.memory / 2**20, 1),
        "sockets_more": after.sockets - baseline.sockets,
        "files_more": after.files - baseline.files,
    }
