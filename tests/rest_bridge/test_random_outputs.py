"""Whatever a model says and however its bytes are cut, all that clients are told of it agrees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from openai._streaming import SSEDecoder

from service.model.chunk import Chunk
from service.model.model import PASSED_ON, Abilities, Model
from service.model.scripted import ScriptedModel
from tests.fakes.chat_server import ChatServer, Raw
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.rest_bridge.random_outputs import CUTS, TOOLS, Said, chat_answers, chunk_batches, cut
from tests.rest_bridge.retold import retold
from tests.rest_bridge.steady import Steady, steady
from tests.sdk.wire_check import check_items
from tests.service.model.chat_client import model_on

Json = dict[str, Any]
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
LOGPROBS = "message.output_text.logprobs"


@dataclass(slots=True)
class Chat:
    """A stack whose model is a chat-completions server."""

    stack: Steady
    server: ChatServer


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    server = ChatServer()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Model]:
        async with server:
            yield model_on(server.url)

    with steady(tmp_path_factory.mktemp("chat"), opened) as stack:
        yield Chat(stack, server)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Steady, ScriptedModel]]:
    model = ScriptedModel(abilities=Abilities(hosted=True, heeds=PASSED_ON))

    @asynccontextmanager
    async def opened() -> AsyncIterator[Model]:
        yield model

    with steady(tmp_path_factory.mktemp("scripted"), opened) as stack:
        yield stack, model


@FEW
@given(answer=chat_answers(), cuts=CUTS)
def test_what_a_server_says_is_told_alike_everywhere(
    chat: Chat, answer: tuple[Said, list[bytes]], cuts: list[int]
) -> None:
    said, writes = answer
    chat.server.replies.append(Raw(tuple(writes)))
    chat.stack.run(check_everything(chat.stack, said, cuts))


@FEW
@given(answer=chunk_batches(), cuts=CUTS)
def test_what_any_model_says_is_told_alike_everywhere(
    scripted: tuple[Steady, ScriptedModel], answer: tuple[Said, list[list[Chunk]]], cuts: list[int]
) -> None:
    stack, model = scripted
    said, batches = answer
    model.add(batches)
    stack.run(check_everything(stack, said, cuts))


async def check_everything(stack: Steady, said: Said, cuts: Sequence[int]) -> None:
    """Asks once, and compares the stream, its replay, the stored response and what the model said."""
    body = stack.bridge.body(stream=True, tools=TOOLS, include=[LOGPROBS] if len(cuts) % 2 else [])
    told = (await stack.http.post("/v1/responses", json=body)).content
    events = events_of(told)
    decoded = [
        json.loads(each.data) for each in SSEDecoder().iter_bytes(iter(cut(told, cuts))) if each.data != "[DONE]"
    ]
    assert decoded == events
    final = check_ladder(events, left_out=said.left_out)
    check_items(events)
    assert retold(events) == final["output"]
    path = f"/v1/responses/{final['id']}"
    assert (await stack.http.get(path)).json() == final
    assert (await stack.http.get(path, params={"stream": "true"})).content == told
    check_said(said, final)


def check_said(said: Said, final: Json) -> None:
    """Checks that the response has all that was said, and nothing else."""
    items = final["output"]
    assert len({item["id"] for item in items}) == len(items)
    parts = [(item["type"], part) for item in items for part in item.get("content") or ()]
    assert final["output_text"] == said.text == _joined(parts, "message", "text")
    assert said.refusal == _joined(parts, "message", "refusal")
    assert said.reasoning == _joined(parts, "reasoning", "text")
    assert said.summary == "".join(part["text"] for item in items for part in item.get("summary") or ())
    calls = [item for item in items if item["type"] == "function_call"]
    assert [(call["name"], call["arguments"]) for call in calls] == list(said.calls)
    assert len({call["call_id"] for call in calls}) == len(calls)
    assert final["usage"] == said.usage
    if final["status"] != "incomplete":
        assert final["status"] == ("requires_action" if calls else "completed")


def _joined(parts: Sequence[tuple[str, Json]], kind: str, member: str) -> str:
    return "".join(part.get(member, "") for owner, part in parts if owner == kind)
