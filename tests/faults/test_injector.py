"""The fault injector does what it says, or the tests that use it would say nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.injector import HONEST, Fault, Injector

SAID = b"0123456789" * 10


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a server that answers each line with the same hundred bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(SAID)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def heard(port: int, fault: Fault, *, size: int = -1) -> bytes:
    """What comes through: all of it, or the first `size` bytes."""
    async with Injector(port) as injector, asyncio.timeout(10):
        injector.faults.append(fault)
        reader, writer = await asyncio.open_connection("127.0.0.1", injector.port)
        writer.write(b"Hello\n")
        try:
            return await (reader.read() if size < 0 else reader.readexactly(size))
        finally:
            writer.transport.abort()


async def test_no_fault_is_no_fault(port: int) -> None:
    assert await heard(port, HONEST) == SAID


@pytest.mark.parametrize("limit", [0, 1, 57, 100, 200])
async def test_it_cuts_behind_so_many_bytes(port: int, limit: int) -> None:
    assert await heard(port, Fault(limit=limit)) == SAID[:limit]


async def test_a_reset_is_one(port: int) -> None:
    with pytest.raises(ConnectionResetError):
        await heard(port, Fault(limit=10, reset=True))


async def test_late_and_slow_bytes_are_the_same_bytes(port: int) -> None:
    assert await heard(port, Fault(latency=0.01, pace=0.0001)) == SAID


async def test_a_black_hole_says_nothing_more_and_stays_open(port: int) -> None:
    assert await heard(port, Fault(limit=10, hole=True), size=10) == SAID[:10]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await heard(port, Fault(limit=10, hole=True))
