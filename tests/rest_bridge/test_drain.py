"""How the bridge ends: nothing new, what runs is told, exit 0."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of
from tests.rest_bridge.raw import connected, head


async def test_an_open_stream_is_told_and_can_be_resumed(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    async with bridge.http() as http:
        body = bridge.body(stream=True, background=True)
        async with http.stream("POST", "/v1/responses", json=body) as answer:
            chunks = answer.aiter_bytes()
            told = await anext(chunks)
            bridge.server.stop()
            told += b"".join([chunk async for chunk in chunks])
    events = events_of(told)
    assert (events[-1]["type"], events[-1]["error"]["code"]) == ("error", "server_draining")
    last = events[-2]["sequence_number"]
    assert events[-1]["sequence_number"] == last
    assert f"?stream=true&starting_after={last}" in events[-1]["message"]
    gate.set()


async def test_a_unary_call_gets_its_answer_and_new_ones_are_not_taken(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    gate = asyncio.Event()
    core.model.add([gate, *says("Done")])
    async with bridge.http() as http:
        asked = asyncio.create_task(http.post("/v1/responses", json=bridge.body()))
        async with asyncio.timeout(10):
            while not core.model.prompts:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)
        async with connected(bridge.port) as (reader, _):
            bridge.server.stop()
            assert await reader.read() == b"", "idle connections are closed"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(bridge.host, bridge.port)
        gate.set()
        assert (await asked).json()["output_text"] == "Done"


@asynccontextmanager
async def bridge_process(core: CoreUnderTest, listening: socket.socket) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m rest_bridge` on an inherited socket."""
    arguments = ["-m", "rest_bridge", "--fd", str(listening.fileno()), "--core", core.address]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        pass_fds=[listening.fileno()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NODEXA_BRIDGE_DRAIN_SECONDS": "0.2"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_well_although_a_stream_is_open(
    core: CoreUnderTest, number: signal.Signals
) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with asyncio.timeout(30), bridge_process(core, listening) as process:
            port = listening.getsockname()[1]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as http:
                body = {"model": core.assistant_id, "input": "Hello", "stream": True}
                headers = {"x-api-key": core.key}
                async with http.stream("POST", "/v1/responses", json=body, headers=headers) as answer:
                    chunks = answer.aiter_bytes()
                    told = await anext(chunks)
                    process.send_signal(number)
                    told += b"".join([chunk async for chunk in chunks])
            assert events_of(told)[-1]["error"]["code"] == "server_draining"
            assert await process.wait() == 0


async def answers(port: int) -> None:
    """Waits until somebody behind the socket answers."""
    async with connected(port) as (reader, writer):
        writer.write(head("GET", "/healthz"))
        assert b"200 OK" in await reader.readline()


async def test_another_process_can_take_over_the_socket(core: CoreUnderTest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        async with asyncio.timeout(30), bridge_process(core, listening) as one:
            await answers(port)
            async with bridge_process(core, listening) as other:
                one.terminate()
                assert await one.wait() == 0
                await answers(port)
                other.terminate()
                assert await other.wait() == 0


@pytest.mark.parametrize("arguments", [["--http", "nonsense"], ["--http", "127.0.0.1:99999"], ["--fd", "999"]])
async def test_a_bridge_that_cannot_listen_says_so(arguments: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "rest_bridge", *arguments],
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    _, told = await process.communicate()
    assert process.returncode == 2
    assert told.startswith(b"rest_bridge: ")
    assert b"Traceback" not in told
