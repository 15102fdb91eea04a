"""A model behind a chat-completions server, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from service.errors import NodexaError
from service.model.chunk import (
    Chunk,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    TextRun,
    TokenUsage,
    text_of,
)
from service.model.deadlines import Deadlines
from service.model.model import Wait
from tests.fakes.chat_server import ChatServer, Raw
from tests.service.model.chat_client import answer, asking, batches, model_on
from tests.service.model.chat_json import DONE, STOP, delta, joined

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}}'
WEATHER = {"function": {"name": "weather", "parametersJson": SCHEMA}}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as started:
        yield started


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("streaming", [True, False])
async def test_text_and_usage_arrive_streamed_or_not(server: ChatServer, *, streaming: bool) -> None:
    chunks = await answer(model_on(server.url), asking("Hello, wide world", streaming=streaming))
    assert text_of(chunks) == "Hello, wide world"
    assert chunks[-2:] == [TokenUsage(3, 3), STOP]
    assert server.requests[0].body.get("stream", False) is streaming
    assert server.requests[0].body["model"] == "up"


async def test_the_key_is_sent_and_is_asked_for_at_each_request(server: ChatServer) -> None:
    keys = iter(["one", "two", ""])
    model = model_on(server.url, api_key=lambda: next(keys))
    for _ in range(3):
        await answer(model, asking("Hi"))
    assert [each.headers.get("authorization") for each in server.requests] == ["Bearer one", "Bearer two", None]


async def test_a_token_is_given_out_before_the_next_one_is_written(server: ChatServer) -> None:
    server.gate.clear()
    stream = model_on(server.url).stream(asking("Hello world"))
    async with asyncio.timeout(5):
        assert await anext(stream) == [TextDelta("Hello")]
        server.gate.set()
        rest = [chunk async for batch in stream for chunk in batch]
    assert text_of(rest) == " world"


async def test_what_comes_in_one_read_with_a_failure_is_given_out_before_it(server: ChatServer) -> None:
    server.replies.append(Raw((HEAD + delta(content="a") + b'data: {"error": {"message": "broken"}}\n\n' + DONE,)))
    stream = model_on(server.url).stream(asking("Hi"))

    assert await anext(stream) == [TextDelta("a")]
    with pytest.raises(NodexaError):
        await anext(stream)


async def test_what_who_takes_has_to_wait_for_is_waited_for_before_more_comes(server: ChatServer) -> None:
    told: list[str] = []

    async def wait() -> None:
        told.append("waited")

    def take(batch: Sequence[Chunk]) -> Wait:
        told.append(text_of(batch))
        return wait

    async with asyncio.timeout(5):
        await model_on(server.url).write(asking("Hello world"), take)
    assert told[1::2] == ["waited"] * (len(told) // 2)
    assert "".join(told[::2]) == "Hello world"


async def test_who_can_take_no_more_closes_the_socket(server: ChatServer) -> None:
    def take(_: Sequence[Chunk]) -> None:
        raise ValueError("full")

    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="full"):
            await model_on(server.url).write(asking("hang"), take)
        await server.hung_up.wait()


async def test_what_comes_in_one_read_is_one_batch(server: ChatServer) -> None:
    body = delta(content="a") + delta(content="b") + delta(content="c")
    server.replies.append(Raw((HEAD + body + delta("stop") + DONE,)))
    assert await batches(model_on(server.url), asking("Hi")) == [
        [TextDelta("a"), TextRun(["b", "c"]), STOP],
    ]


@pytest.mark.parametrize("streaming", [True, False])
async def test_parallel_calls_arrive_streamed_or_not(server: ChatServer, *, streaming: bool) -> None:
    prompt = asking("call weather in Paris and Rome", streaming=streaming, tools={"tools": [WEATHER]})
    chunks = await answer(model_on(server.url), prompt)
    assert joined(chunks) == {
        0: ("weather", "call_0", '{"city": "Paris"}'),
        1: ("weather", "call_1", '{"city": "Rome"}'),
    }
    assert chunks[-1] == STOP


@pytest.mark.parametrize("streaming", [True, False])
async def test_reasoning_and_refusals_arrive_streamed_or_not(server: ChatServer, *, streaming: bool) -> None:
    model = model_on(server.url)
    thought = await answer(model, asking("think Hi", streaming=streaming))
    assert "".join(each.text for each in thought if isinstance(each, ReasoningDelta)) == "Let me think."
    refused = await answer(model, asking("refuse", streaming=streaming))
    assert "".join(each.text for each in refused if isinstance(each, RefusalDelta)) == "I can't help with that."


@pytest.mark.parametrize("streaming", [True, False])
async def test_the_token_limit_ends_the_answer_with_length(server: ChatServer, *, streaming: bool) -> None:
    chunks = await answer(model_on(server.url), asking("count 9", streaming=streaming, maxOutputTokens=2))
    assert (text_of(chunks), chunks[-1]) == ("1 2", Finish(FinishReason.LENGTH))


async def test_usage_that_the_server_does_not_count_is_not_there(server: ChatServer) -> None:
    chunks = await answer(model_on(server.url), asking("nousage Hi"))
    assert not [each for each in chunks if isinstance(each, TokenUsage)]


async def test_one_connection_serves_many_turns(server: ChatServer) -> None:
    model = model_on(server.url)
    for streaming in (True, False) * 5:
        await answer(model, asking("Hi", streaming=streaming))
    with pytest.raises(NodexaError):
        await answer(model, asking("unauthorized"))
    await answer(model, asking("Hi"))
    # A second one is made when the end of a stream's body comes a little later than its end mark.
    assert server.connections <= 2


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(server: ChatServer) -> None:
    model = model_on(server.url)
    await answer(model, asking("Hi"))
    await server.__aexit__(None, None, None)
    await server.__aenter__()
    assert text_of(await answer(model, asking("Hi again"))) == "Hi again"


async def test_many_turns_at_once_do_not_mix(server: ChatServer) -> None:
    model = model_on(server.url)
    texts = [f"I am caller number {n}" for n in range(64)]
    answers = await asyncio.gather(*(answer(model, asking(text)) for text in texts))
    assert [text_of(each) for each in answers] == texts


async def test_closing_the_generator_closes_the_socket(server: ChatServer) -> None:
    stream = model_on(server.url).stream(asking("hang"))
    async with asyncio.timeout(5):
        await anext(stream)
        await stream.aclose()
        await server.hung_up.wait()


@pytest.mark.parametrize("word", ["stall", "hang"])
async def test_cancelling_the_task_closes_the_socket(server: ChatServer, word: str) -> None:
    task = asyncio.ensure_future(answer(model_on(server.url), asking(word)))
    async with asyncio.timeout(5):
        await server.asked.wait()
        task.cancel()
        await server.hung_up.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_model_ends_what_runs(server: ChatServer) -> None:
    model = model_on(server.url)
    stream = model.stream(asking("hang"))
    async with asyncio.timeout(5):
        await anext(stream)
        await model.close()
        with pytest.raises(NodexaError):
            await anext(stream)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_http_may_be_cut_at_any_byte(server: ChatServer, size: int) -> None:
    body = delta(content="Hü") + delta("stop") + DONE
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces(body, 11)) + b"0\r\n\r\n"
    head = b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD.removesuffix(b"\r\n") + b"transfer-encoding: chunked\r\n\r\n"
    server.replies.append(Raw(tuple(pieces(head + chunked, size))))
    chunks = await answer(model_on(server.url), asking("Hi"))
    assert (text_of(chunks), chunks[-1]) == ("Hü", STOP)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_server_that_ignores_stream_is_understood(server: ChatServer, *, streaming: bool) -> None:
    whole = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    json = b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\r\n" + whole
    events = HEAD + delta(content="Hi") + delta("stop")
    server.replies.append(Raw((json if streaming else events,)))
    assert await answer(model_on(server.url), asking("Hi", streaming=streaming)) == [TextDelta("Hi"), STOP]


async def test_an_end_mark_that_never_comes_is_not_waited_for_long(server: ChatServer) -> None:
    server.replies.append(Raw((HEAD + delta(content="Hi") + delta("stop"),), hold=True))
    chunks = await answer(model_on(server.url, deadlines=Deadlines(closing=0.1)), asking("Hi"))
    assert chunks == [TextDelta("Hi"), STOP]
