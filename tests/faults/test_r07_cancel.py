"""R7: cancelling reaches the model server, and doing it again changes nothing."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.counts import SOAK, count, measured, percentile
from tests.faults.http import ask, line, request
from tests.faults.whole import Whole, whole_with_assistant

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

LONG: Final = Reply(words(" ".join(str(number) for number in range(2000))), pause=0.002)
RANDOM_SECONDS: Final = 0.25


async def cancelled(nodexa: Whole, response_id: str) -> Any:
    """What a cancellation is answered with."""
    answer = await ask(nodexa.port, request("POST", f"/v1/responses/{response_id}/cancel", nodexa.key))
    assert answer.status == 200
    return answer.json


async def hang_up_seconds(upstream: ChatServer, hangups: int) -> float:
    """How long it takes until the model server has been hung up on more than `hangups` times."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(10):
        while upstream.hangups <= hangups:
            upstream.hung_up.clear()
            await upstream.hung_up.wait()
    return loop.time() - begun


async def test_a_cancellation_reaches_the_model_server_whenever_it_comes(tmp_path: Path) -> None:
    chosen = random.Random(7)
    late: list[float] = []
    moments = count(200, soak=2000)
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        for number in range(moments):
            upstream.replies.append(LONG)
            asked, hangups = len(upstream.requests), upstream.hangups
            body = {"model": assistant_id, "input": "Count", "stream": True, "background": number % 2 == 0}
            async with line(nodexa.port) as reader:
                reader.writer.write(request("POST", "/v1/responses", nodexa.key, body))
                created = await reader.until(b'"type":"response.created"')
                response_id = created[created.index(b"resp_") :][:41].decode()
                # The promise is about any moment: at once, before the model server is asked, anywhere later.
                await asyncio.sleep(chosen.random() ** 3 * RANDOM_SECONDS)
                first = await cancelled(nodexa, response_id)
                if len(upstream.requests) > asked:
                    late.append(await hang_up_seconds(upstream, hangups))
                told = await reader.rest()
            assert first["status"] == "cancelled"
            assert await cancelled(nodexa, response_id) == first
            read = await ask(nodexa.port, request("GET", f"/v1/responses/{response_id}", nodexa.key))
            assert read.json == first
            final = told.events[-1]["response"]
            assert (final["id"], final["status"]) == (response_id, "cancelled")
            upstream.replies.clear()
        assert nodexa.complaints() == []
    assert percentile(late, 0.99) <= 1.0
    measured("R7", moments=moments, hang_up_p99_ms=round(percentile(late, 0.99) * 1000, 1))


async def test_cancelling_behind_the_end_changes_nothing(tmp_path: Path) -> None:
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        for asked in ("Good day", "broken", "slow but soon over"):
            body = {"model": assistant_id, "input": asked, "stream": True}
            told = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
            made = await ask(nodexa.port, request("GET", "/v1/responses?limit=1", nodexa.key))
            final = told.events[-1]["response"] if told.events else made.json["data"][0]
            assert final["status"] in ("completed", "failed")
            for _ in range(2):
                assert await cancelled(nodexa, final["id"]) == made.json["data"][0]
        assert upstream.hangups == 0


async def test_many_cancel_the_same_response_at_once_and_are_told_the_same(tmp_path: Path) -> None:
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        upstream.replies.append(LONG)
        body = {"model": assistant_id, "input": "Count", "background": True}
        made = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
        answers = await asyncio.gather(*(cancelled(nodexa, made.json["id"]) for _ in range(20)))
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["status"] == "cancelled"
