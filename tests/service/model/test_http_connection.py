"""A connection to a model server: what it holds, when it stops reading, and when it may be used again."""

from __future__ import annotations

import asyncio

import pytest

from service.model.http_connection import HIGH_WATER, Connection
from service.model.http_errors import ConnectionLostError, IdleTimeoutError, MalformedAnswerError
from service.model.outbox import Outbox

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"


class Wire(asyncio.Transport):
    """Takes the place of a socket; notes what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def is_closing(self) -> bool:
        return "abort" in self.done

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append("write")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")

    def abort(self) -> None:
        self.done.append("abort")


def made() -> Connection:
    """A connection that writes for itself."""
    loop = asyncio.get_running_loop()
    return Connection(loop, Outbox(loop))


async def asked(answer: bytes) -> tuple[Connection, Wire]:
    """Returns a connection that got `answer` to a request."""
    connection, wire = made(), Wire()
    connection.connection_made(wire)
    sending = asyncio.ensure_future(
        connection.send(b"request", idle_timeout=5.0, until=asyncio.get_running_loop().time() + 5.0)
    )
    await asyncio.sleep(0)
    connection.data_received(answer)
    await sending
    return connection, wire


async def test_what_is_asked_in_one_turn_is_written_behind_it_and_not_where_nobody_waits_any_more() -> None:
    loop = asyncio.get_running_loop()
    outbox, wires = Outbox(loop), [Wire(), Wire(), Wire()]
    connections = [Connection(loop, outbox) for _ in wires]
    for connection, wire in zip(connections, wires, strict=True):
        connection.connection_made(wire)
        connection.ask(b"request", idle_timeout=5.0, until=loop.time() + 5.0)
    connections[1].abort()
    assert [wire.done for wire in wires] == [[], ["abort"], []]
    await asyncio.sleep(0)
    assert [wire.done for wire in wires] == [["write"], ["abort"], ["write"]]
    for connection in connections:
        connection.abort()


async def test_a_reader_that_does_not_read_stops_the_server() -> None:
    connection, wire = await asked(HEAD % (HIGH_WATER * 2))
    connection.data_received(b"x" * HIGH_WATER)
    assert wire.done == ["write"]
    connection.data_received(b"x")
    assert wire.done == ["write", "pause"]
    assert len(await connection.read()) == HIGH_WATER + 1
    assert wire.done == ["write", "pause", "resume"]
    connection.abort()


async def test_a_whole_answer_leaves_the_connection_usable() -> None:
    connection, _ = await asked(HEAD % 2 + b"ok")
    assert not connection.reusable, "the body has not been read"
    assert await connection.read() == b"ok"
    assert await connection.read() == b""
    assert connection.reusable


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\n", b"nonsense"])
async def test_what_comes_behind_an_answer_spoils_the_connection_and_not_the_answer(behind: bytes) -> None:
    connection, _ = await asked(HEAD % 2 + b"ok" + behind)
    assert (connection.status, await connection.read(), await connection.read()) == (200, b"ok", b"")
    assert not connection.reusable


async def test_bytes_on_an_idle_connection_close_it() -> None:
    connection, wire = await asked(HEAD % 0)
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    assert wire.is_closing()
    assert not connection.reusable


async def test_what_came_before_a_failure_is_read_before_it_is_told() -> None:
    connection, _ = await asked(HEAD % 9 + b"some")
    connection.connection_lost(None)
    assert await connection.read() == b"some"
    with pytest.raises(ConnectionLostError):
        await connection.read()


async def test_a_body_without_a_length_ends_with_the_connection_unless_we_ended_it() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    connection, _ = await asked(head + b"all")
    connection.connection_lost(None)
    assert (await connection.read(), await connection.read()) == (b"all", b"")
    connection, _ = await asked(head + b"some")
    connection.abort()
    connection.connection_lost(None)
    assert await connection.read() == b"some"
    with pytest.raises(ConnectionLostError):
        await connection.read()


async def test_nonsense_instead_of_a_head_is_told_as_such() -> None:
    with pytest.raises(MalformedAnswerError):
        await asked(b"+OK ready\r\n")


async def test_each_exchange_has_a_time_of_its_own() -> None:
    loop = asyncio.get_running_loop()
    connection, _ = await asked(HEAD % 2 + b"ok")
    await connection.read()
    with pytest.raises(IdleTimeoutError):
        await connection.send(b"request", idle_timeout=0.05, until=loop.time() + 5.0)


async def test_a_connection_that_waits_for_its_next_request_has_all_the_time() -> None:
    loop = asyncio.get_running_loop()
    waiting, silent = [made() for _ in range(2)]
    for connection in (waiting, silent):
        connection.connection_made(Wire())
    sending = asyncio.ensure_future(waiting.send(b"request", idle_timeout=0.05, until=loop.time() + 5.0))
    await asyncio.sleep(0)
    waiting.data_received(HEAD % 0)
    await sending
    with pytest.raises(IdleTimeoutError):
        await silent.send(b"request", idle_timeout=0.1, until=loop.time() + 5.0)
    assert waiting.reusable


async def test_one_answer_after_the_other_is_read_on_one_connection() -> None:
    connection, _ = await asked(HEAD % 2 + b"ok")
    await connection.read()
    sending = asyncio.ensure_future(
        connection.send(b"request", idle_timeout=5.0, until=asyncio.get_running_loop().time() + 5.0)
    )
    await asyncio.sleep(0)
    chunked = b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    for place in range(len(chunked)):
        connection.data_received(chunked[place : place + 1])
    await sending
    assert (connection.status, await connection.read(), await connection.read()) == (404, b"abc", b"")
    assert connection.reusable
    connection.abort()


async def test_who_takes_what_comes_is_called_with_it_until_it_has_enough() -> None:
    connection, _ = await asked(HEAD % 4 + b"a")
    told: list[list[bytes]] = []

    def take(pieces: list[bytes]) -> bool:
        told.append(pieces)
        return pieces != [b"b"]

    pouring = asyncio.ensure_future(connection.pour(take))
    await asyncio.sleep(0)
    connection.data_received(b"b")
    connection.data_received(b"c")
    assert told == [[b"a"], [b"b"]], "the call comes with the bytes, and none after it was enough"
    assert await pouring

    connection.data_received(b"d")
    assert not await connection.pour(take)
    assert told[2:] == [[b"c", b"d"]]
    assert connection.reusable


async def test_who_is_cancelled_is_told_nothing_more() -> None:
    connection, _ = await asked(HEAD % 2)
    told: list[list[bytes]] = []

    def take(pieces: list[bytes]) -> bool:
        told.append(pieces)
        return True

    pouring = asyncio.ensure_future(connection.pour(take))
    await asyncio.sleep(0)
    pouring.cancel()
    connection.data_received(b"ok")
    with pytest.raises(asyncio.CancelledError):
        await pouring
    assert told == []


async def test_what_goes_wrong_with_what_came_is_raised_where_it_is_waited_for() -> None:
    connection, _ = await asked(HEAD % 2)

    def take(_: list[bytes]) -> bool:
        raise ValueError("nonsense")

    pouring = asyncio.ensure_future(connection.pour(take))
    await asyncio.sleep(0)
    connection.data_received(b"o")
    with pytest.raises(ValueError, match="nonsense"):
        await pouring


async def test_what_came_before_a_failure_is_taken_before_it_is_told() -> None:
    connection, _ = await asked(HEAD % 9 + b"some")
    told: list[list[bytes]] = []

    def take(pieces: list[bytes]) -> bool:
        told.append(pieces)
        return True

    connection.connection_lost(None)
    with pytest.raises(ConnectionLostError):
        await connection.pour(take)
    assert told == [[b"some"]]
