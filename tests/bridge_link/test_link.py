"""Both ends of the socket between bridge and core: whole parts in whatever pieces, and an end for what is wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge_link.link import TOGETHER, Link, socket_beside
from bridge_link.parts import FORM, FRAME, HELLO, MESSAGE, OPEN, PING, PONG, Say

MOST = 16 * 1024 * 1024
SECONDS = 10
GREETING = FRAME.pack(0, FORM, HELLO)

Part = tuple[int, int, bytes]


class Taken:
    """Keeps what came; a part that says `nonsense` can't be understood."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.parts: asyncio.Queue[Part] = asyncio.Queue()
        self.lost = False

    def take(self, call: int, kind: int, data: bytes) -> None:
        if data == b"nonsense":
            raise ValueError(data)
        self.parts.put_nowait((call, kind, data))

    def lose(self) -> None:
        self.lost = True

    async def next(self) -> Part:
        async with asyncio.timeout(SECONDS):
            return await self.parts.get()


class Other:
    """The other end, byte by byte."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(SECONDS):
            await self._loop.sock_sendall(self._end, data)

    async def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the end."""
        data = b""
        async with asyncio.timeout(SECONDS):
            while len(data) < size and (more := await self._loop.sock_recv(self._end, size - len(data))):
                data += more
        return data

    def arrived(self) -> bytes:
        """What is here already."""
        try:
            return self._end.recv(1000)
        except BlockingIOError:
            return b""

    def finish(self) -> None:
        self._end.shutdown(socket.SHUT_WR)


def part(call: int, data: bytes, kind: int = MESSAGE) -> bytes:
    return FRAME.pack(len(data), call, kind) + data


@asynccontextmanager
async def linked(*, most: int = MOST, quiet: float = 60) -> AsyncIterator[tuple[Link[Taken], Other]]:
    """A link, and the other end in the hands of the test."""
    here, there = socket.socketpair()
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    _, link = await loop.create_unix_connection(lambda: Link(Taken, most=most, quiet=quiet), sock=here)
    with there:
        yield link, Other(there)
        link.abort()
        await ended(link)


async def ended(link: Link[Taken]) -> None:
    async with asyncio.timeout(SECONDS):
        await link.over.wait()
    assert link.joined.lost


async def test_both_ends_greet_and_then_take_what_is_said() -> None:
    here, there = socket.socketpair()
    loop = asyncio.get_running_loop()
    one, two = [
        (await loop.create_unix_connection(lambda: Link(Taken, most=MOST), sock=end))[1] for end in (here, there)
    ]
    assert await one.greeted
    assert await two.greeted
    one.joined.say(7, MESSAGE, b"Hello")
    two.joined.say(7, MESSAGE, b"x" * 8_000_000)
    assert await two.joined.next() == (7, MESSAGE, b"Hello")
    assert await one.joined.next() == (7, MESSAGE, b"x" * 8_000_000)
    one.close()
    await ended(two)
    await ended(one)


async def test_parts_come_whole_however_they_are_cut() -> None:
    data = part(1, b"one") + part(2, b"") + part(2**40, b"x" * 30)
    async with linked() as (link, other):
        await other.send(GREETING)
        for size in (1, 2, 13, 16, 17, len(data)):
            for at in range(0, len(data), size):
                await other.send(data[at : at + size])
                # It has to be taken alone.
                await asyncio.sleep(0)
            assert [await link.joined.next() for _ in range(3)] == [
                (1, MESSAGE, b"one"),
                (2, MESSAGE, b""),
                (2**40, MESSAGE, b"x" * 30),
            ]


async def test_a_part_above_the_limit_ends_the_link(caplog: pytest.LogCaptureFixture) -> None:
    async with linked(most=100) as (link, other):
        await other.send(GREETING + part(1, b"x" * 100) + FRAME.pack(101, 1, MESSAGE))
        assert await link.joined.next() == (1, MESSAGE, b"x" * 100)
        await ended(link)
    assert "a part has 101 bytes, more than 100" in caplog.text


async def test_what_can_not_be_understood_ends_the_link(caplog: pytest.LogCaptureFixture) -> None:
    async with linked() as (link, other):
        await other.send(GREETING + part(1, b"nonsense"))
        await ended(link)
    assert "the connection between bridge and core is closed: " in caplog.text


@pytest.mark.parametrize(
    "greeting",
    [FRAME.pack(0, FORM + 1, HELLO), part(1, b"no greeting"), b"PRI * HTTP/2.0\r\n"],
    ids=["newer", "none", "HTTP"],
)
async def test_another_version_is_told_so_and_left_alone(greeting: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with linked() as (link, other):
        await other.send(greeting)
        await ended(link)
        assert not await link.greeted
        assert await other.read(1000) == GREETING
    assert "start it anew" in caplog.text


async def test_an_end_that_closes_its_half_ends_the_link() -> None:
    async with linked() as (link, other):
        await other.send(GREETING)
        assert await link.greeted
        other.finish()
        await ended(link)


async def test_an_end_that_says_nothing_is_asked_and_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with linked(quiet=0.02) as (link, other):
        await other.send(GREETING)
        await ended(link)
        assert (await other.read(1000)).startswith(GREETING + part(0, b"", PING))
    assert "the other end doesn't answer" in caplog.text


async def test_an_end_that_answers_is_kept() -> None:
    async with linked(quiet=0.02) as (link, other):
        await other.send(GREETING)
        await other.read(len(GREETING))
        for _ in range(5):
            assert await other.read(FRAME.size) == part(0, b"", PING)
            await other.send(part(0, b"", PONG))
        assert not link.over.is_set()


async def test_who_asks_is_answered() -> None:
    async with linked() as (_, other):
        await other.send(GREETING + part(0, b"", PING))
        assert await other.read(len(GREETING) + FRAME.size) == GREETING + part(0, b"", PONG)


async def test_what_begins_a_call_is_written_at_once_behind_what_was_said() -> None:
    async with linked() as (link, other):
        assert await other.read(len(GREETING)) == GREETING
        link.send(1, MESSAGE, b"one")
        assert other.arrived() == b""
        link.send(2, OPEN, b"two")
        assert other.arrived() == part(1, b"one") + part(2, b"two", OPEN)


async def test_all_else_waits_for_the_rest_of_a_turn_but_not_for_many() -> None:
    async with linked() as (link, other):
        assert await other.read(len(GREETING)) == GREETING
        for number in range(TOGETHER + 1):
            assert other.arrived() == b""
            link.send(number, MESSAGE, b"x")
            if number == TOGETHER - 1:
                assert other.arrived() == b"".join(part(each, b"x") for each in range(TOGETHER))
        assert other.arrived() == b""
        assert await other.read(FRAME.size + 1) == part(TOGETHER, b"x")


async def test_what_is_said_after_the_end_is_lost_without_an_error() -> None:
    async with linked() as (link, other):
        assert await other.read(len(GREETING)) == GREETING
        link.abort()
        link.joined.say(1, MESSAGE, b"Hello")
        await ended(link)
        link.joined.say(1, MESSAGE, b"Hello")
        link.close()
        link.abort()
        assert link.joined.lost
        assert await other.read(1) == b""


def test_the_socket_lies_beside_that_of_grpc_where_there_is_one_and_it_fits() -> None:
    assert socket_beside("unix:/run/core.sock") == "/run/core.sock.hop"
    assert socket_beside("127.0.0.1:50051") == ""
    assert socket_beside("unix:/" + "long" * 25) == ""


class Pieces(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.pieces.append(b"closed")


async def test_what_is_said_in_one_turn_of_the_loop_is_written_in_one_piece() -> None:
    link, transport = Link(Taken, most=MOST), Pieces()
    link.connection_made(transport)
    link.send(1, MESSAGE, b"one")
    await asyncio.sleep(0)
    link.send(1, MESSAGE, b"two")
    link.send(2, MESSAGE, b"three")
    link.close()
    await asyncio.sleep(0)
    link.connection_lost(None)
    link.send(3, MESSAGE, b"to nobody")
    await asyncio.sleep(0)
    assert transport.pieces == [GREETING + part(1, b"one"), part(1, b"two") + part(2, b"three"), b"closed"]
