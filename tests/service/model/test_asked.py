"""A model server that is asked by a call, and waited for only where that is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.errors import NodexaError
from service.model.asked import Asked
from service.model.chunk import Chunk, text_of
from service.model.openai_chat import OpenAIChat
from tests.fakes.chat_server import ChatServer, Raw
from tests.service.model.chat_client import QUICK, answer, asking, model_on

SECONDS = 10
BUSY = Raw((b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running


async def warm(model: OpenAIChat) -> OpenAIChat:
    """The model, with a connection that is free."""
    await answer(model, asking("Hello", streaming=False))
    return model


async def asked(model: OpenAIChat, text: str = "Hi") -> Asked:
    """What was asked, when the answer is there or has to be waited for."""
    told = asyncio.Event()
    on_its_way = model.ask(asking(text, streaming=False), told.set)
    assert on_its_way is not None
    async with asyncio.timeout(SECONDS):
        await told.wait()
    return on_its_way


async def the_rest(on_its_way: Asked) -> list[Chunk]:
    """What comes by waiting."""
    chunks: list[Chunk] = []
    async with asyncio.timeout(SECONDS):
        await on_its_way.write(chunks.extend)
    return chunks


async def test_without_a_free_connection_nothing_is_asked(server: ChatServer) -> None:
    assert model_on(server.url).ask(asking("Hi", streaming=False), lambda: None) is None
    assert server.requests == []


async def test_a_whole_answer_is_there_without_waiting(server: ChatServer) -> None:
    model = await warm(model_on(server.url))

    answers = [(await asked(model, text)).look() for text in ("One", "Two")]

    assert [text_of(list(chunks)) for chunks in answers] == ["One", "Two"]
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_what_was_looked_at_can_still_be_taken(server: ChatServer) -> None:
    on_its_way = await asked(await warm(model_on(server.url)))

    assert list(on_its_way.look()) == await the_rest(on_its_way) != []


async def test_a_long_answer_is_waited_for(server: ChatServer) -> None:
    model = await warm(model_on(server.url))
    text = "word " * 100_000

    on_its_way = await asked(model, text)

    assert text_of([*on_its_way.look()] or await the_rest(on_its_way)) == text


async def test_a_server_that_is_busy_or_hung_up_is_asked_again(server: ChatServer) -> None:
    for reply in (BUSY, Raw(())):
        model = await warm(model_on(server.url))
        server.replies.append(reply)
        on_its_way = await asked(model)
        assert list(on_its_way.look()) == []
        assert text_of(await the_rest(on_its_way)) == "Hi"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Raw((HEAD + b"content-length: 3\r\n\r\n{x}",)), "upstream_protocol_error"),
        (Raw((HEAD + b"content-length: 9\r\n\r\n{",)), "upstream_error"),
        (Raw((HEAD + b"content-length: 9\r\n\r\n{",), hold=True), "upstream_timeout"),
        (Raw((b"SSH-2.0-OpenSSH_9.2\r\n",)), "upstream_protocol_error"),
        (Raw((b"HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\n{}",)), "upstream_error"),
    ],
)
async def test_what_is_wrong_is_told_to_who_waits(server: ChatServer, reply: Raw, code: str) -> None:
    model = await warm(model_on(server.url, deadlines=QUICK))
    server.replies.append(reply)

    on_its_way = await asked(model)

    assert list(on_its_way.look()) == []
    with pytest.raises(NodexaError) as told:
        await the_rest(on_its_way)
    assert told.value.code == code


async def test_a_stream_that_nobody_asked_for_is_read_as_it_comes(server: ChatServer) -> None:
    model = await warm(model_on(server.url))
    delta = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    end = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    server.replies.append(Raw((head + delta, end), hold=True))

    on_its_way = await asked(model)

    assert list(on_its_way.look()) == []
    assert text_of(await the_rest(on_its_way)) == "Hi"


async def test_who_gives_up_hangs_up_and_is_not_called(server: ChatServer) -> None:
    model = await warm(model_on(server.url))
    server.gate.clear()
    told = asyncio.Event()
    on_its_way = model.ask(asking("Hi", streaming=False), told.set)
    assert on_its_way is not None
    await server.until_asked(2)

    on_its_way.give_up()

    async with asyncio.timeout(SECONDS):
        await server.hung_up.wait()
    assert not told.is_set()
