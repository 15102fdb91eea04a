"""A model behind a Responses server, over real sockets: what it says, what goes wrong, what it costs nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.chunk import TextDelta, text_of
from service.model.model import Abilities
from service.model.openai_responses import OpenAIResponses
from tests.fakes.chat_server import Raw
from tests.fakes.responses_events import answer, message
from tests.fakes.responses_server import ResponsesServer, Script
from tests.service.model.chat_client import QUICK, Naps, asking
from tests.service.model.chat_client import answer as answered

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
LIMITED = b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: %d\r\n\r\n%s"


@pytest.fixture
async def server() -> AsyncIterator[ResponsesServer]:
    async with ResponsesServer() as started:
        yield started


def model_on(server: ResponsesServer, **options: Any) -> OpenAIResponses:
    fields = options.pop("fields", {})
    config = ModelConfig(
        name="m", kind=ModelConfig.KIND_OPENAI_RESPONSES, base_url=server.url, upstream_model="up", **fields
    )
    options.setdefault("sleep", Naps())
    return OpenAIResponses(config, api_key=lambda: "sk-canary", chance=lambda: 0.5, **options)


async def failure(model: OpenAIResponses, *, streaming: bool = True) -> NodexaError:
    with pytest.raises(NodexaError) as caught:
        await answered(model, asking("Hello", streaming=streaming))
    assert "secret" not in caught.value.message
    assert "canary" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("streaming", [True, False])
async def test_it_is_asked_and_answers(server: ResponsesServer, *, streaming: bool) -> None:
    assert text_of(await answered(model_on(server), asking("Hello", streaming=streaming))) == "Hello"
    (request,) = server.requests
    assert (request.path, request.body["model"], request.body["stream"]) == ("/v1/responses", "up", streaming)
    assert request.headers["authorization"] == "Bearer sk-canary"


async def test_a_piece_is_passed_on_before_the_next_one_is_written(server: ResponsesServer) -> None:
    server.gate.clear()
    server.scripts.append(Script(answer(message("Hel", "lo"))))
    stream = model_on(server).stream(asking("Hello"))
    async with asyncio.timeout(20):
        assert await anext(stream) == [TextDelta("Hel")]
        server.gate.set()
        assert text_of([chunk async for batch in stream for chunk in batch]) == "lo"


@pytest.mark.parametrize("piece", [1, 5, 100])
async def test_an_answer_split_anywhere_is_the_same(server: ResponsesServer, piece: int) -> None:
    server.scripts.append(Script(answer(message("Hällo ", "✓ world")), piece=piece))
    assert text_of(await answered(model_on(server), asking("Hi"))) == "Hällo ✓ world"


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("stall", "upstream_timeout"),
        ("hang", "upstream_timeout"),
        ("reset", "upstream_error"),
        ("garbage", "upstream_protocol_error"),
    ],
)
async def test_each_fault_has_its_code(server: ResponsesServer, fault: str, code: str, *, streaming: bool) -> None:
    server.scripts.extend([Script(answer(message("Hel", "lo")), fault=fault)] * 3)
    found = await failure(model_on(server, deadlines=QUICK), streaming=streaming)
    assert found.code == code


async def test_a_stream_that_ends_without_its_last_event_is_nonsense(server: ResponsesServer) -> None:
    server.scripts.append(Script(answer(message("Hel", "lo")), fault="cut"))
    assert (await failure(model_on(server))).code == "upstream_protocol_error"


@pytest.mark.parametrize(
    ("reply", "code", "asked"),
    [
        (LIMITED % (2, b"{}"), "rate_limit_exceeded", 1),
        (LIMITED % (40, b'{"error": {"code":"insufficient_quota"}}'), "upstream_error", 1),
        (b"HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n", "upstream_auth_error", 1),
        (b"HTTP/1.1 500 X\r\ncontent-length: 6\r\n\r\nsecret", "upstream_error", 1),
        (b"HTTP/1.1 503 X\r\ncontent-length: 6\r\n\r\nsecret", "upstream_error", 3),
        (HEAD + b"data: {}\n\ndata: [DONE]\n\n", "upstream_protocol_error", 1),
        (HEAD + b"data: [1]\n\n", "upstream_protocol_error", 1),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[]", "upstream_protocol_error", 1),
    ],
)
async def test_a_refusal_has_its_code_and_is_asked_again_where_that_helps(
    server: ResponsesServer, reply: bytes, code: str, asked: int
) -> None:
    server.replies.extend([Raw((reply,))] * asked)
    found = await failure(model_on(server))
    assert (found.code, len(server.requests)) == (code, asked)
    assert found.retry_after == (7.0 if b"429" in reply else None)


async def test_a_server_that_comes_up_late_is_asked_again(server: ResponsesServer) -> None:
    server.replies.append(Raw((b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",)))
    assert text_of(await answered(model_on(server), asking("Hello"))) == "Hello"


async def test_leaving_hangs_up_at_once(server: ResponsesServer) -> None:
    server.scripts.append(Script(answer(message("Hel", "lo")), fault="hang"))
    stream = model_on(server).stream(asking("Hello"))
    assert await anext(stream) == [TextDelta("Hel")]
    await stream.aclose()
    async with asyncio.timeout(20):
        await server.hung_up.wait()


async def test_tokens_are_counted_where_the_server_counts_them(server: ResponsesServer) -> None:
    server.counts = 42
    assert await model_on(server).count(asking("Hello")) == 42
    assert server.requests[0].path == "/v1/responses/input_tokens"


async def test_a_server_that_does_not_count_is_not_asked_twice(server: ResponsesServer) -> None:
    model = model_on(server)
    assert [await model.count(asking("Hello")), await model.count(asking("Hello"))] == [None, None]
    assert len(server.requests) == 1


async def test_it_runs_tools_of_its_own_and_reads_what_it_was_said_to(server: ResponsesServer) -> None:
    able, unable = model_on(server, fields={"files": True}), model_on(server, fields={"no_tools": True})
    assert able.abilities == Abilities(files=True, hosted=True, at_once=True, heeds=able.abilities.heeds)
    assert (unable.abilities.tools, unable.abilities.files) == (False, False)
    assert not {"seed", "stop"} & set(able.abilities.heeds)
