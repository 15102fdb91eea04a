"""The process that runs an embedded model's engine: started when it is needed, started again when it died."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from service.errors import NodexaError
from service.model import weights
from service.model.chat_upstream import Upstream
from service.model.deadlines import Deadlines
from service.model.http_client import Address

log = logging.getLogger(__name__)

WORKER = Path(__file__).with_name("embedded_worker.py")
# The wait for the first token includes the reading of the prompt, which is slow on a small machine.
DEADLINES = Deadlines(connect=5.0, idle=600.0, reply=600.0)
LOAD_SECONDS = 300.0
END_SECONDS = 2.0
# What an engine may need of the environment; the keys of model servers are not among it.
KEPT = ("PATH", "HOME", "LANG", "LC_", "TMPDIR", "LD_", "DYLD_", "PYTHON", "VIRTUAL_ENV", "GGML_", "OMP_", "CUDA_")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine is started with. `context` is in tokens, for each of the `slots` that work at once.

    An empty `gguf` means the weights that come with Nodexa, an empty `template` the one inside the file.
    """

    gguf: str
    template: str
    slots: int
    context: int
    threads: int


class Engine:
    """One engine. `name` is the model that callers know."""

    def __init__(self, name: str, settings: EngineSettings, *, environment: Mapping[str, str]) -> None:
        self._name = name
        self._settings = settings
        self._environment = {key: value for key, value in environment.items() if key.startswith(KEPT)}
        self._process: asyncio.subprocess.Process | None = None
        self._upstream: Upstream | None = None
        self._counter: Upstream | None = None
        self._starting: asyncio.Task[Upstream] | None = None
        self._closed = False
        self.folder: Path | None = None
        """Where its socket is, for nobody but us; None while it does not run."""

    @property
    def pid(self) -> int | None:
        """The process, None while it does not run."""
        return self._process.pid if self._process else None

    async def upstream(self) -> Upstream:
        """Returns the running engine, loading it first where needed. Raises NodexaError."""
        if self._upstream and self._process and self._process.returncode is None:
            return self._upstream
        if self._starting is None or self._starting.done():
            if self._closed:
                raise self._failed("it is being closed")
            self._starting = asyncio.get_running_loop().create_task(self._start())
        # A caller who leaves takes nobody else's start with it.
        return await asyncio.shield(self._starting)

    async def count(self, body: bytes) -> int:
        """Returns how many tokens the engine would read for a request. Raises NodexaError."""
        await self.upstream()
        assert self._counter  # noqa: S101 - for the type checker: it comes and goes with the upstream
        try:
            tokens = json.loads(await self._counter.whole(body))["input_tokens"]
        except (ValueError, LookupError, TypeError):
            tokens = None
        if not isinstance(tokens, int):
            raise self._failed("the engine's count of tokens can't be understood")
        return tokens

    async def ended(self) -> None:
        """Returns once the process is gone, for whatever reason."""
        if self._process:
            await self._process.wait()

    async def close(self) -> None:
        """Ends the process, and with it whatever it still writes."""
        self._closed = True
        if self._starting and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait((self._starting,))
        await self._end()

    async def _start(self) -> Upstream:
        await self._end()
        try:
            path = weights.find(self._settings.gguf)
            await asyncio.to_thread(weights.check, path)
        except ValueError as error:
            raise self._failed(str(error)) from None
        self.folder = Path(tempfile.mkdtemp(prefix="nodexa-"))
        socket, key = self.folder / "engine.sock", secrets.token_hex(32)
        try:
            word = await self._spawn(path, socket, key)
        except BaseException:
            await self._end()
            raise
        if word != "ready":
            log.warning("model %s: its engine did not start: %s", self._name, word[:200])
            await self._end()
            raise self._failed(f"the engine could not load {str(path)!r}; the file may be damaged or too large")
        address = Address("engine", 80, tls=False, path="/v1/chat/completions", socket=str(socket))
        counting = replace(address, path=f"{address.path}/input_tokens")
        self._counter = Upstream(self._name, counting, api_key=lambda: key, deadlines=DEADLINES)
        self._upstream = Upstream(self._name, address, api_key=lambda: key, deadlines=DEADLINES)
        return self._upstream

    async def _spawn(self, gguf: Path, socket: Path, key: str) -> str:
        """Starts the process and returns the one line that it answers with."""
        settings = {
            "gguf": str(gguf),
            "template": self._settings.template,
            "slots": self._settings.slots,
            "context": self._settings.context,
            "threads": self._settings.threads,
            "socket": str(socket),
            "key": key,  # Not among the arguments: those are for everybody on the machine to read.
        }
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
        )
        assert process.stdin  # noqa: S101 - for the type checker: they are pipes
        assert process.stdout  # noqa: S101
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                return (await process.stdout.readline()).decode(errors="replace").strip() or "it ended without a word"
        except TimeoutError:
            return f"it was not ready after {LOAD_SECONDS} s"

    async def _end(self) -> None:
        for upstream in filter(None, (self._upstream, self._counter)):
            upstream.close()
        self._upstream = self._counter = None
        process, self._process = self._process, None
        if process:
            await _stop(process)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def _failed(self, why: str) -> NodexaError:
        return NodexaError("upstream_error", f"The model {self._name!r} can't answer: {why}.")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin:
        process.stdin.close()  # It ends when its stdin does.
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
