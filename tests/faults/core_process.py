"""The core as a process of its own, which a test may kill: started, read from, and never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc
from nodexa.v1.admin_pb2 import Assistant, Model
from nodexa.v1.admin_service_pb2 import CreateAssistantRequest, CreateModelRequest
from nodexa.v1.admin_service_pb2_grpc import AdminServiceStub
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_service_pb2 import (
    CreateResponseRequest,
    DeleteResponseRequest,
    ListResponsesRequest,
    WatchResponseRequest,
)
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub

from service.bootstrap import QUICKSTART, read_quickstart
from service.server import DATABASE
from service.settings import EMBEDDED_MODEL, FILE_NAME
from service.store.archive import problems
from service.store.sqlite import sqlite3
from tests.service.requests import user

if TYPE_CHECKING:
    from nodexa.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from nodexa.v1.response_service_pb2_grpc import ResponseServiceAsyncStub

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 30.0
START_SECONDS: Final = 60.0
"""A core that shares the machine with much else starts slowly."""


@dataclass(slots=True)
class CoreProcess:
    """A core on `data`; `log` is what it has said so far, a JSON object a line."""

    data: Path
    process: asyncio.subprocess.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""
    channel: grpc.aio.Channel | None = None
    reading: asyncio.Task[None] | None = None

    @property
    def responses(self) -> ResponseServiceAsyncStub:
        assert self.channel
        return ResponseServiceStub(self.channel)

    @property
    def admin(self) -> AdminServiceAsyncStub:
        assert self.channel
        return AdminServiceStub(self.channel)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("x-api-key", read_quickstart(self.data / QUICKSTART)["NODEXA_API_KEY"])]

    async def listening(self) -> None:
        """Returns when it answers; fails when it ends before."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not self.address:
                    assert await self._read(), f"the core ended: {self.log}"
                    if found := re.match(r"listening on ([^,]+)", self.log[-1]["message"] if self.log else ""):
                        self.address = found[1]
        except TimeoutError:
            raise AssertionError(f"the core does not listen: {self.log}") from None
        self.channel = grpc.aio.insecure_channel(self.address)
        # Nobody may have to wait for a reader of the log.
        self.reading = asyncio.create_task(self._read_on())

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself or by a signal."""
        async with asyncio.timeout(SECONDS):
            await (self.reading or self._read_on())
            return await self.process.wait()

    async def kill(self) -> None:
        """Ends it as a power cut would."""
        self.process.kill()
        await self.ended()

    async def terminate(self) -> int:
        """Asks it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    def messages(self) -> str:
        """All that it said."""
        return "\n".join(line["message"] + line.get("exception", "") for line in self.log)

    async def _read_on(self) -> None:
        while await self._read():
            pass

    async def _read(self) -> bool:
        assert self.process.stderr
        line = await self.process.stderr.readline()
        # gRPC's own core writes lines of its own form before any of ours can stop it.
        if line.startswith(b"{"):
            self.log.append(json.loads(line))
        return bool(line)


@asynccontextmanager
async def core_process(
    data: Path, *arguments: str, grpc_address: str = "127.0.0.1:0", program: Sequence[str] = ("service",)
) -> AsyncIterator[CoreProcess]:
    """Starts a core; it is gone after the block, whatever happened in it. `program` is the module and what it wants."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *program, "--data", str(data), "--grpc", grpc_address, *arguments),
        cwd=ROOT,
        env={**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}"},
        stderr=asyncio.subprocess.PIPE,
    )
    core = CoreProcess(data, process)
    try:
        yield core
    finally:
        if core.channel:
            await core.channel.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
        if core.reading:
            await core.reading


@asynccontextmanager
async def answering_core(
    data: Path, *arguments: str, program: Sequence[str] = ("service",)
) -> AsyncIterator[CoreProcess]:
    """The same, once it answers; without the embedded model, whose loading takes longer than the start of a core."""
    _without_weights(data)
    async with core_process(data, *arguments, program=program) as core:
        await core.listening()
        yield core


def _without_weights(data: Path) -> None:
    settings = data / FILE_NAME
    if not settings.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings.write_text(f'[models."{EMBEDDED_MODEL}"]\nkind = "openai_chat"\nbase_url = "http://127.0.0.1:9/v1"\n')


async def assistant_on(core: CoreProcess, base_url: str, *, idle_seconds: int | None = None) -> str:
    """The id of a new assistant that writes with the model server at `base_url`, which may be silent for so long."""
    model = Model(name="upstream", kind=Model.KIND_OPENAI_CHAT, base_url=base_url, idle_seconds=idle_seconds)
    await core.admin.CreateModel(CreateModelRequest(model=model), metadata=core.metadata)
    assistant = Assistant(name="Tested", model="upstream")
    made = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=assistant), metadata=core.metadata)
    return made.id


def asking(assistant_id: str, text: str, **more: Any) -> CreateResponseRequest:
    """A request with the user's words."""
    return CreateResponseRequest(assistant_id=assistant_id, input=[user(text)], **more)


async def watched(core: CoreProcess, response_id: str) -> EventBatch:
    """The whole log of a response as one batch, to its end."""
    request = WatchResponseRequest(id=response_id)
    whole = EventBatch()
    async with asyncio.timeout(SECONDS):
        async for batch in core.responses.WatchResponse(request, metadata=core.metadata):
            whole.events.extend(batch.events)
    return whole


async def delete_all_but(core: CoreProcess, kept: str) -> None:
    """Deletes what clients left: the core keeps the turns of threads that may go on at hand, which is no leak."""
    while True:
        page = await core.responses.ListResponses(ListResponsesRequest(page_size=100), metadata=core.metadata)
        left = [response.id for response in page.responses if response.id != kept]
        if not left:
            return
        for response_id in left:
            await core.responses.DeleteResponse(DeleteResponseRequest(id=response_id), metadata=core.metadata)


def wrong_with(data: Path) -> list[str]:
    """What `nodexa db check` finds wrong with the database, whether a core runs on it or not."""
    return problems(data / DATABASE)


def integrity(data: Path) -> str:
    """What SQLite finds wrong with the database of a core that isn't running; `ok` where nothing is."""
    with closing(sqlite3.connect(data / "nodexa.db")) as conn:
        assert conn.execute("pragma foreign_key_check").fetchall() == []
        return str(conn.execute("pragma integrity_check").fetchone()[0])
