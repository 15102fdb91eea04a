"""The whole of Nodexa over HTTP, its core and its bridge a process each, with what both have said and what they use."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from service.bootstrap import QUICKSTART, read_quickstart
from tests.faults.core_process import ROOT, SECONDS, CoreProcess, answering_core, assistant_on

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TICKS: Final = os.sysconf("SC_CLK_TCK")
SETTLE_SECONDS: Final = 0.1
STILL: Final = 15
"""Looks that must find the same."""


@dataclass(slots=True)
class BridgeProcess:
    """A bridge on `port`; `log` is what it has said so far, a JSON object a line."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    listens: asyncio.Event = field(default_factory=asyncio.Event)

    async def read_on(self) -> None:
        assert self.process.stderr
        while line := await self.process.stderr.readline():
            if not line.startswith(b"{"):
                continue
            self.log.append(json.loads(line))
            if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)", self.log[-1]["message"]):
                self.port = int(found[1])
                self.listens.set()


@dataclass(frozen=True, slots=True)
class Whole:
    """A running Nodexa; `port` is where it speaks HTTP."""

    core: CoreProcess
    bridge: BridgeProcess
    key: str

    @property
    def port(self) -> int:
        return self.bridge.port

    @property
    def pids(self) -> tuple[int, int]:
        """The core's and the bridge's."""
        return self.core.process.pid, self.bridge.process.pid

    def complaints(self) -> list[str]:
        """The tracebacks and errors in both logs."""
        lines = [*self.core.log, *self.bridge.log]
        return [str(line) for line in lines if "exception" in line or line["level"] in ("error", "critical")]


@asynccontextmanager
async def bridge_process(core: str, *, env: Mapping[str, str] | None = None) -> AsyncIterator[BridgeProcess]:
    """A bridge in front of the core at `core`; it is gone after the block."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rest_bridge", "--http", "127.0.0.1:0", "--core", core),
        cwd=ROOT,
        env={**kept, **(env or {}), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"},
        stderr=asyncio.subprocess.PIPE,
    )
    bridge = BridgeProcess(process)
    reading = asyncio.create_task(bridge.read_on())
    try:
        async with asyncio.timeout(SECONDS):
            await bridge.listens.wait()
        yield bridge
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@asynccontextmanager
async def whole(data: Path, *arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Whole]:
    """A core, with `arguments`, and a bridge, with the settings in `env`, joined as `nodexa serve` joins them."""
    inner = f"unix:{data}/core.sock"
    async with answering_core(data, *arguments, "--grpc", inner) as core, bridge_process(inner, env=env) as bridge:
        yield Whole(core, bridge, read_quickstart(data / QUICKSTART)["NODEXA_API_KEY"])


@asynccontextmanager
async def whole_with_assistant(
    data: Path, base_url: str, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Whole, str]]:
    """The same, and the id of an assistant that writes with the model server at `base_url`."""
    async with whole(data, *arguments, env=env) as nodexa:
        yield nodexa, await assistant_on(nodexa.core, base_url)


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes hold: bytes of memory that are theirs alone, sockets, and descriptors of any kind."""

    memory: int
    sockets: int
    files: int


def usage(*pids: int) -> Usage:
    """What the processes hold now, together."""
    held = [_usage(pid) for pid in pids]
    return Usage(sum(one.memory for one in held), sum(one.sockets for one in held), sum(one.files for one in held))


def cpu_seconds(*pids: int) -> float:
    """The processor time that the processes have used so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


async def settled(*pids: int, most: Usage | None = None) -> Usage:
    """What the processes hold once they open and close nothing any more, and with `most` no more than that.

    Fails when that takes too long.
    """
    now = usage(*pids)
    same = 0
    async with asyncio.timeout(SECONDS):
        while same < STILL or (most and (now.sockets > most.sockets or now.files > most.files)):
            # No event tells what another process holds.
            await asyncio.sleep(SETTLE_SECONDS)
            before, now = now, usage(*pids)
            same = same + 1 if (before.sockets, before.files) == (now.sockets, now.files) else 0
    return now


def _usage(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    _, resident, shared, *_ = (int(field) for field in (folder / "statm").read_text().split())
    links = []
    for entry in (folder / "fd").iterdir():
        try:
            links.append(os.readlink(entry))  # noqa: PTH115 - pathlib would make a path of `socket:[1]`
        except FileNotFoundError:
            continue
    sockets = sum(link.startswith("socket:") for link in links)
    return Usage((resident - shared) * PAGE, sockets, len(links))
