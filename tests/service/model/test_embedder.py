"""The client of an embeddings server: what it asks, what it reads, and what it makes of everything else."""

from __future__ import annotations

import json
from array import array
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.errors import NodexaError
from service.model.directory import open_embedder
from service.model.embedder import read_vectors
from service.settings import EmbeddingsSettings, SettingsError
from tests.fakes.embeddings_server import EmbeddingsServer, embedded

KEY = "canary-embeddings-key"


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as running:
        yield running


@pytest.mark.parametrize("numbers", [False, True])
async def test_texts_are_embedded_in_their_order(server: EmbeddingsServer, *, numbers: bool) -> None:
    server.numbers = numbers
    settings = EmbeddingsSettings(server.url, "words", api_key_env="KEY", dimensions=8)
    embedder = open_embedder(settings, environment={"KEY": KEY})

    found = await embedder.embed(["one fish", "two fish"])
    embedder.close()

    assert found == [embedded(text, 8).tobytes() for text in ("one fish", "two fish")]
    [asked] = server.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.json == {
        "model": "words",
        "input": ["one fish", "two fish"],
        "encoding_format": "base64",
        "dimensions": 8,
    }
    assert embedder.name == "words@8"


@pytest.mark.parametrize(
    ("status", "code"), [(401, "upstream_auth_error"), (429, "rate_limit_exceeded"), (500, "upstream_error")]
)
async def test_a_refusal_is_told_in_our_words(server: EmbeddingsServer, status: int, code: str) -> None:
    server.status = status
    embedder = open_embedder(EmbeddingsSettings(server.url, "words"), environment={})
    with pytest.raises(NodexaError) as refused:
        await embedder.embed(["a"])
    embedder.close()
    assert refused.value.code == code
    assert "upstream-secret" not in refused.value.message


async def test_a_text_that_is_too_long_is_told_apart(server: EmbeddingsServer) -> None:
    server.longest = 2
    embedder = open_embedder(EmbeddingsSettings(server.url, "words"), environment={})
    with pytest.raises(NodexaError) as refused:
        await embedder.embed(["a b c"])
    embedder.close()
    assert refused.value.code == "context_length_exceeded"


def test_a_wrong_address_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match="base_url must begin with"):
        open_embedder(EmbeddingsSettings("ftp://x", "words"), environment={})


def row(index: Any, embedding: Any) -> dict[str, Any]:
    return {"index": index, "embedding": embedding}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        {"data": []},
        {"data": [row(0, [1, 2])]},
        {"data": [row(0, [1, 2]), row(0, [1, 2])]},
        {"data": [row(0, [1, 2]), row(2, [1, 2])]},
        {"data": [row(0, [1, 2]), row(1, [1, 2, 3])]},
        {"data": [row(0, [1, 2, 3]), row(1, [1, 2, 3])]},
        {"data": [row(0, []), row(1, [])]},
        {"data": [row(0, [1, "2"]), row(1, [1, 2])]},
        {"data": [row(0, [1e300, 2]), row(1, [1, 2])]},
        {"data": [row(0, {}), row(1, [1, 2])]},
        {"data": [row(0, "!!!!"), row(1, "!!!!")]},
        {"data": [row(0, "AADAfwAAwH8="), row(1, "AADAfwAAwH8=")]},
    ],
    ids=str,
)
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    given = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with pytest.raises(NodexaError) as refused:
        read_vectors(given, model="words", count=2, dimensions=2)
    assert refused.value.code == "upstream_protocol_error"


def test_an_error_in_a_good_answer_is_one() -> None:
    with pytest.raises(NodexaError) as refused:
        read_vectors(b'{"error": {"code": 429}}', model="words", count=1)
    assert refused.value.code == "rate_limit_exceeded"


def test_an_answer_is_read() -> None:
    answer = json.dumps({"data": [row(1, [0.5, 2]), row(0, [1, 0])]}).encode()
    assert read_vectors(answer, model="words", count=2) == [
        array("f", [1, 0]).tobytes(),
        array("f", [0.5, 2]).tobytes(),
    ]
