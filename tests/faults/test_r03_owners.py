"""R3: a run has one owner at a time; one that was frozen and wakes up cannot write, and its clients get the truth.

A core that is frozen in the middle of a write holds SQLite's lock until it wakes up or is killed, and nobody else can
write; the tests freeze it at another moment then.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

import grpc
import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import ResponseSettings

from service.server import DATABASE
from service.store.sqlite import sqlite3
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.core_process import SECONDS, CoreProcess, answering_core, asking, assistant_on, watched, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

ROUNDS: Final = count(40, soak=500)
SHARED: Final = ("--shared", "--lease", "0.6")
STREAMS: Final = 4
LONG: Final = Reply(words(" ".join(str(number) for number in range(100_000))), pause=0.01)
STUCK: Final = Reply(words("Once more"), fault="hang")


class Client:
    """Reads a stream; what it saw is in `seen`, and whether the stream was cut or came to its end in `cut`."""

    def __init__(self, core: CoreProcess, assistant_id: str, *, background: bool) -> None:
        request = asking(assistant_id, "Hello", settings=ResponseSettings(background=background))
        self.seen = EventBatch()
        self.cut = False
        self.began = asyncio.Event()
        self._call = core.responses.StreamResponse(request, metadata=core.metadata)
        self.task = asyncio.create_task(self._read())

    @property
    def response_id(self) -> str:
        return self.seen.events[0].created.response.id

    async def _read(self) -> None:
        try:
            async for batch in self._call:
                self.seen.events.extend(batch.events)
                self.began.set()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            self.cut = True


def epochs(data: Path) -> Mapping[str, int]:
    """The epoch of every response."""
    with closing(sqlite3.connect(f"{(data / DATABASE).as_uri()}?mode=ro", uri=True)) as conn:
        return dict(conn.execute("select id, lease_epoch from responses"))


@asynccontextmanager
async def sharing(data: Path) -> AsyncIterator[CoreProcess]:
    """One of several cores."""
    async with answering_core(data, *SHARED) as core:
        yield core


def writable(data: Path) -> bool:
    """Whether others than a frozen core can write."""
    with closing(sqlite3.connect(data / DATABASE, isolation_level=None, timeout=0.5)) as conn:
        try:
            conn.execute("begin immediate")
        except sqlite3.OperationalError:
            return False
        conn.execute("rollback")
        return True


async def strike(core: CoreProcess, number: signal.Signals) -> None:
    """Sends the signal, and waits until no thread of the core runs: one that still does may yet begin to write."""
    core.process.send_signal(number)
    async with asyncio.timeout(SECONDS):
        stopped = False
        while not stopped:
            # No event tells what state another process is in.
            await asyncio.sleep(0.001)
            stopped = rests(core.process.pid)


def rests(pid: int) -> bool:
    """Whether every thread of a process is stopped or gone."""
    threads: list[Path] = []
    with suppress(FileNotFoundError):
        threads = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    for path in threads:
        with suppress(FileNotFoundError, ProcessLookupError):
            if path.read_text().rpartition(")")[2].split()[0] not in "tTZX":
                return False
    return True


async def hurt(core: CoreProcess, other: CoreProcess, clients: list[Client], number: signal.Signals) -> None:
    """Kills or freezes a core until the other has brought all of its responses to their ends."""
    await strike(core, number)
    # One that is dead holds nothing; another that starts may.
    while number is signal.SIGSTOP and not await asyncio.to_thread(writable, core.data):
        core.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.05)
        await strike(core, number)
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(watched(other, client.response_id) for client in clients))
    finally:
        if number is signal.SIGSTOP:
            core.process.send_signal(signal.SIGCONT)


async def expect_truth(other: CoreProcess, clients: list[Client], *, cut: bool) -> None:
    """Fails unless every client saw a part of the one log, all of it where it wasn't cut."""
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(client.task for client in clients))
    for client in clients:
        log = (await watched(other, client.response_id)).events
        climb(log)
        assert client.cut == cut
        assert list(client.seen.events) == (log[: len(client.seen.events)] if cut else list(log))


async def test_a_run_has_one_owner_whatever_becomes_of_its_cores(tmp_path: Path) -> None:
    data, chosen = tmp_path / "var", random.Random(3)
    before: Mapping[str, int] = {}
    async with ChatServer() as upstream, AsyncExitStack() as stack:
        cores = [await stack.enter_async_context(sharing(data)) for _ in range(2)]
        assistant_id = await assistant_on(cores[0], upstream.url)
        for index in range(ROUNDS):
            number = signal.SIGKILL if index % 2 else signal.SIGSTOP
            chosen.shuffle(cores)
            victim, other = cores
            upstream.replies.extend([LONG, LONG, LONG, STUCK])
            asked = len(upstream.requests)
            clients = [Client(victim, assistant_id, background=chosen.random() < 0.5) for _ in range(STREAMS)]
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(*(client.began.wait() for client in clients))
            await upstream.until_asked(asked + STREAMS)
            await asyncio.sleep(chosen.random() / 10)  # any moment in a run's life will do
            # What begins anew is answered at once.
            upstream.replies.clear()

            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(hurt(victim, other, clients, number))
                if number is signal.SIGKILL:
                    # It is there when the next round begins.
                    cores.append(await stack.enter_async_context(sharing(data)))
            await expect_truth(other, clients, cut=number is signal.SIGKILL)

            after = epochs(data)
            assert all(after[one] >= epoch for one, epoch in before.items())
            assert all(after[client.response_id] > 0 for client in clients)
            assert wrong_with(data) == []
            before = after
            if number is signal.SIGKILL:
                await victim.ended()
                cores.remove(victim)
    measured("R3", rounds=ROUNDS, responses=len(before), doubles=0, highest_epoch=max(before.values()))
