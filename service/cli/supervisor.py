"""Keeps the core and the bridges running: starts them, starts them again when they die, stops them in order.

No grpc here: what is forked must not have loaded it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from service.cli.processes import die_with_parent, import_environment

Say = Callable[[str], None]

ENDS_WITH_STDIN: Final = "NODEXA_ENDS_WITH_STDIN"
"""Tells a core or a bridge to stop when its standard input ends."""
DELAYS: Final = (0.0, 0.2, 0.4, 0.8)
"""Seconds before a child is started again, by how often it has failed in a row: at once where it ran well until now."""
# A child that lived this long has started well: what ends it then is a new failure.
STEADY_SECONDS: Final = 10.0
FAILURES_IN_A_ROW: Final = len(DELAYS) + 1
# Above what the children themselves allow for their drains.
BRIDGE_GRACE: Final = 27.0
CORE_GRACE: Final = 12.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep: its name for people, its argv, the descriptors it inherits, how long it may take to stop."""

    name: str
    argv: Sequence[str]
    fds: Sequence[int]
    grace: float


class GaveUpError(Exception):
    """A child ends again and again as soon as it is started."""


class Keeper:
    """Keeps one child running until it is told to stop."""

    def __init__(self, child: Child, say: Say) -> None:
        self._child = child
        self._say = say
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self.task: Final = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends the child: asked first, killed after its grace."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        await asyncio.wait({self.task}, timeout=self._child.grace)
        if not self.task.done():
            self._say(f"{self._child.name} does not stop; killing it.")
            self.kill()
            await asyncio.wait({self.task})

    def kill(self) -> None:
        """Ends the child at once."""
        self._signal(signal.SIGKILL)

    async def _run(self) -> None:
        """Raises GaveUpError."""
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            self._process = await start(self._child.argv, fds=self._child.fds, ends_with_this=True)
            if self._stopping.is_set():
                self._signal(signal.SIGTERM)
            code = await self._process.wait()
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            how = describe_end(code)
            if failures >= FAILURES_IN_A_ROW:
                raise GaveUpError(f"{self._child.name} ended {failures} times in a row ({how})")
            delay = DELAYS[failures - 1]
            when = f"in {delay:g} s" if delay else "at once"
            self._say(f"{self._child.name} ended ({how}); starting it again {when}.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


async def start(
    argv: Sequence[str], *, fds: Sequence[int] = (), ends_with_this: bool = False
) -> asyncio.subprocess.Process:
    """Starts a process that ends with this one; Ctrl-C in the terminal reaches only this one, which passes it on."""
    return await asyncio.create_subprocess_exec(
        *argv,
        # Nobody writes to it: its end is how a child learns that this process is gone, on any system.
        stdin=asyncio.subprocess.PIPE if ends_with_this else asyncio.subprocess.DEVNULL,
        pass_fds=tuple(fds),
        env={**import_environment(os.environ, sys.path), **({ENDS_WITH_STDIN: "1"} if ends_with_this else {})},
        process_group=0,
        preexec_fn=die_with_parent(os.getpid()),
    )


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


async def supervise(stages: Sequence[Sequence[Child]], *, stop: asyncio.Event, hurry: asyncio.Event, say: Say) -> None:
    """Keeps all of them until `stop` is set, then ends one stage after the other; `hurry` kills what is left.

    Raises GaveUpError when one won't run.
    """
    # Those that end last begin first.
    keepers = [[Keeper(child, say) for child in stage] for stage in reversed(stages)]
    every = [keeper for stage in keepers for keeper in stage]
    told = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({told, *(keeper.task for keeper in every)}, return_when=asyncio.FIRST_COMPLETED)
        for keeper in every:
            if keeper.task.done():
                keeper.task.result()
    finally:
        told.cancel()
        await _stop_all(keepers[::-1], hurry)


async def _stop_all(stages: Sequence[Sequence[Keeper]], hurry: asyncio.Event) -> None:
    async def in_order() -> None:
        for stage in stages:
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    stopping = asyncio.create_task(in_order())
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        for keeper in (keeper for stage in stages for keeper in stage):
            keeper.kill()
    hurried.cancel()
    await stopping
