"""Children are kept running, and none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.cli.supervisor import Child, GaveUpError, supervise

# Says its process id, then waits; SIGTERM ends it, or not.
OBEDIENT = "import os, time; os.write(1, b'%d\\n' % os.getpid()); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEDIENT}"
BROKEN = "raise SystemExit(3)"


@dataclass(slots=True)
class Watched:
    """A supervised pair of children, and what was said about them."""

    pipe: asyncio.StreamReader
    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list)

    async def pid(self) -> int:
        async with asyncio.timeout(20):
            return int(await self.pipe.readline())


@contextlib.asynccontextmanager
async def supervised(core: str, bridge: str, *, grace: float = 20.0) -> AsyncIterator[Watched]:
    """Runs two programs under the supervisor; what they print is read through one pipe."""
    read, write = os.pipe()
    pipe = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(pipe),
        os.fdopen(read, "rb"),
    )
    said: list[str] = []
    stop, hurry = asyncio.Event(), asyncio.Event()

    def child(name: str, program: str) -> Child:
        argv = [sys.executable, "-c", f"import os; os.dup2({write}, 1); {program}"]
        return Child(name, argv, [write], grace)

    task = asyncio.create_task(
        supervise([[child("The bridge", bridge)], [child("The core", core)]], stop=stop, hurry=hurry, say=said.append)
    )
    try:
        yield Watched(pipe, task, stop, hurry, said)
    finally:
        stop.set()
        hurry.set()
        await asyncio.wait({task}, timeout=20)
        transport.close()
        os.close(write)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() if sys.platform == "linux" else _answers(pid)


def _answers(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


async def test_a_child_that_dies_is_started_again_and_that_is_said() -> None:
    async with supervised(OBEDIENT, OBEDIENT) as watched:
        first = {await watched.pid(), await watched.pid()}
        os.kill(min(first), signal.SIGKILL)
        assert await watched.pid() not in first
        (said,) = watched.said
        assert "ended (killed by SIGKILL); starting it again at once." in said


async def test_stopping_ends_every_child() -> None:
    async with supervised(OBEDIENT, OBEDIENT) as watched:
        pids = [await watched.pid(), await watched.pid()]
        watched.stop.set()
        await asyncio.wait_for(watched.task, 20)
        assert not any(is_alive(pid) for pid in pids)
        assert watched.said == []


async def test_a_child_that_does_not_stop_in_time_is_killed() -> None:
    async with supervised(OBEDIENT, STUBBORN, grace=0.2) as watched:
        pids = [await watched.pid(), await watched.pid()]
        watched.stop.set()
        await asyncio.wait_for(watched.task, 20)
        assert not any(is_alive(pid) for pid in pids)
        assert watched.said == ["The bridge does not stop; killing it."]


async def test_hurry_does_not_wait_for_a_stubborn_child() -> None:
    async with supervised(STUBBORN, STUBBORN, grace=600) as watched:
        pids = [await watched.pid(), await watched.pid()]
        watched.stop.set()
        watched.hurry.set()
        await asyncio.wait_for(watched.task, 20)
        assert not any(is_alive(pid) for pid in pids)


async def test_a_child_that_never_runs_ends_everything_with_its_name() -> None:
    async with supervised(OBEDIENT, BROKEN) as watched:
        pid = await watched.pid()
        with pytest.raises(GaveUpError, match=r"The bridge ended 5 times in a row \(exit code 3\)"):
            await asyncio.wait_for(watched.task, 30)
        assert not is_alive(pid)
        assert [said.rpartition(" again ")[2] for said in watched.said] == [
            "at once.",
            "in 0.2 s.",
            "in 0.4 s.",
            "in 0.8 s.",
        ]
