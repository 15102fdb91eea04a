"""R11: a full disk is told as such, reading goes on, writing comes back by itself, and nothing is broken.

Once the disk is one that refuses writes behind a byte (RLIMIT_FSIZE on the core), once a tmpfs of 4 MB; only that one
needs a machine on which the test may mount.
"""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from service.server import DATABASE
from tests.fakes.chat_server import ChatServer
from tests.faults.core_process import SECONDS, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.faults.http import Told, ask, request
from tests.faults.whole import Whole, whole_with_assistant

pytestmark = pytest.mark.timeout(3600 if SOAK else 120)

ROUNDS: Final = count(5, soak=100)
PATIENCE: Final = 1.0
"""Seconds until a request without an answer counts as one that waits for room."""
LARGE: Final = "count 5 " + "x" * 100_000


@dataclass(frozen=True, slots=True)
class Client:
    """Speaks HTTP to a Nodexa as one client."""

    nodexa: Whole
    assistant_id: str

    async def create(self, text: str, **more: Any) -> Told:
        body = {"model": self.assistant_id, "input": text, **more}
        return await ask(self.nodexa.port, request("POST", "/v1/responses", self.nodexa.key, body))

    async def get(self, response_id: str, query: str = "") -> Told:
        return await ask(self.nodexa.port, request("GET", f"/v1/responses/{response_id}{query}", self.nodexa.key))


async def until_refused(client: Client) -> list[asyncio.Task[Told]]:
    """Sends requests until one is refused since the disk is full; those before it, some of which wait for room."""
    sent: list[asyncio.Task[Told]] = []
    async with asyncio.timeout(SECONDS):
        while True:
            one = asyncio.create_task(client.create(LARGE))
            await asyncio.wait([one], timeout=PATIENCE)
            if one.done() and one.result().status != 200:
                refused = one.result()
                assert (refused.status, refused.json["error"]["code"]) == (503, "storage_unavailable")
                assert b"retry-after: 1" in refused.head.lower()
                return sent
            sent.append(one)


async def until_taken(client: Client) -> None:
    """Sends requests until one is answered."""
    async with asyncio.timeout(SECONDS):
        while (answer := await client.create("Hello")).status != 200:
            assert answer.json["error"]["code"] == "storage_unavailable"


async def expect_readable(client: Client, before: Told) -> None:
    """Fails unless a response and its events can be read as ever."""
    read = await client.get(before.json["id"])
    assert (read.status, read.json) == (200, before.json)
    events = (await client.get(before.json["id"], "?stream=true")).events
    assert events[-1]["type"] == "response.completed"


async def fill_and_free(client: Client, before: Told, limit: Callable[[], object], free: Callable[[], object]) -> int:
    """Fills a disk amid a run, then has it freed, and judges; how many requests were taken before it was full."""
    running = await client.create("slow " + "word " * 20, background=True)
    limit()
    sent = await until_refused(client)
    await expect_readable(client, before)
    free()
    await until_taken(client)
    events = (await client.get(running.json["id"], "?stream=true")).events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] in ("response.completed", "response.failed")
    for answer in await asyncio.gather(*sent):
        if answer.status == 200:
            assert (await client.get(answer.json["id"])).json == answer.json
        else:
            assert answer.json["error"]["code"] == "storage_unavailable"
    assert wrong_with(client.nodexa.core.data) == []
    return len(sent)


def limit_writes(pid: int, room: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))


async def test_a_disk_that_refuses_writes_breaks_nothing(tmp_path: Path) -> None:
    chosen, taken = random.Random(11), 0
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        client, pid = Client(nodexa, assistant_id), nodexa.core.process.pid
        before = await client.create("Hello")
        for number in range(ROUNDS):
            used = (tmp_path / "var" / f"{DATABASE}-wal").stat().st_size
            room = 0 if number == 0 else chosen.randrange(used + 10 * len(LARGE))
            taken += await fill_and_free(
                client, before, partial(limit_writes, pid, room), partial(limit_writes, pid, resource.RLIM_INFINITY)
            )
        assert await nodexa.core.terminate() == 0
    assert wrong_with(tmp_path / "var") == []
    measured("R11", disk="RLIMIT_FSIZE", rounds=ROUNDS, taken=taken)


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """A file system of 4 MB; skips the test where nothing may be mounted."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def enlarge(path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", path], check=True)


async def test_a_disk_that_is_full_breaks_nothing(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with small_disk(data):
        async with ChatServer() as upstream, whole_with_assistant(data, upstream.url) as (nodexa, assistant_id):
            client = Client(nodexa, assistant_id)
            before = await client.create("Hello")
            taken = await fill_and_free(client, before, lambda: None, lambda: enlarge(data))
            assert await nodexa.core.terminate() == 0
        assert wrong_with(data) == []
    measured("R11", disk="tmpfs", taken=taken)
