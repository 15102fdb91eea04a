"""Limits of time where the bridge itself stood still: what came meanwhile is read before a time is over."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.raw import Wire, connected, head

STOPS = 4
"""Only about every other one meets the process where it polls."""


async def sent_while_nobody_reads(wire: Wire, data: bytes, seconds: float) -> bytes:
    """What is answered to data that is there before a limit of so many seconds is over, and is read only after it."""
    reader, writer = wire
    await asyncio.sleep(seconds / 5)  # What went before has been read.
    assert not reader.at_eof()
    writer.write(data)
    time.sleep(seconds)  # noqa: ASYNC251 - the loop stands still, as that of a process that was stopped does
    async with asyncio.timeout(10):
        return await reader.read()


async def test_a_body_that_came_while_the_bridge_stood_still_is_read(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    core.model.add(says("Hello"))
    body = json.dumps(bridge.body()).encode()
    async with connected(bridge.port) as wire:
        more = {"x_api_key": bridge.key, "content_type": "application/json", "connection": "close"}
        wire[1].write(head("POST", "/v1/responses", content_length=str(len(body)), **more) + body[:5])
        answer = await sent_while_nobody_reads(wire, body[5:], bridge.bridge.settings.body_seconds)
        assert answer.startswith(b"HTTP/1.1 200 OK")


@contextmanager
def bridge_process(**settings: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A bridge without a core, as a process on the loop that the product has, and its port."""
    serving = """
        import asyncio, json, sys, uvloop
        from rest_bridge.settings import Settings
        from tests.rest_bridge.conftest import running_bridge

        async def serve() -> None:
            async with running_bridge("127.0.0.1:1", Settings(**json.loads(sys.argv[1]))) as bridge:
                print(bridge.port, flush=True)
                await asyncio.Event().wait()

        uvloop.run(serve())
    """
    command = [sys.executable, "-c", textwrap.dedent(serving), json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


async def answered_after_a_stop(process: subprocess.Popen[str], wire: Wire, data: bytes, seconds: float) -> bytes:
    """What is answered to data that comes while the process is stopped, for so many seconds."""
    await asyncio.sleep(seconds / 5)  # What went before has been read.
    process.send_signal(signal.SIGSTOP)
    wire[1].write(data)
    await asyncio.sleep(seconds)
    process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        return await wire[0].read()


async def test_a_head_that_came_while_the_bridge_was_stopped_is_read() -> None:
    with bridge_process(head_seconds=0.5) as (process, port):
        for _ in range(STOPS):
            async with connected(port) as wire:
                answer = await answered_after_a_stop(process, wire, head("GET", "/healthz", connection="close"), 0.5)
                assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_a_request_that_came_after_a_pause_while_the_bridge_was_stopped_is_read() -> None:
    with bridge_process(keep_alive_seconds=1) as (process, port):
        for _ in range(STOPS):
            async with connected(port) as wire:
                wire[1].write(head("GET", "/healthz"))
                assert b"200 OK" in await wire[0].readuntil(b"}")
                answer = await answered_after_a_stop(process, wire, head("GET", "/healthz", connection="close"), 1)
                assert answer.startswith(b"HTTP/1.1 200 OK")
