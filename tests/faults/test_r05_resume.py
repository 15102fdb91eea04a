"""R5: resuming from any point gives exactly the rest."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply, words
from tests.faults.counts import SOAK, count, measured
from tests.faults.http import END_OF_EVENT, Told, ask, events_in, line, request
from tests.faults.injector import Fault, Injector
from tests.faults.whole import Whole, whole_with_assistant

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

WORDS: Final = 92
"""With the events around them, a stream of a hundred."""
TEXT: Final = words(" ".join(str(number) for number in range(WORDS)))
DONE: Final = b"data: [DONE]\n\n"
AT_ONCE: Final = 8


def kept(body: bytes) -> bytes:
    """What a client holds of a body that was cut: its whole events. The end mark behind them is none."""
    whole = body.removesuffix(DONE)
    return whole[: whole.rfind(END_OF_EVENT) + len(END_OF_EVENT)] if END_OF_EVENT in whole else b""


def watching(nodexa: Whole, response_id: str, body: bytes) -> bytes:
    """The request for what comes behind a body."""
    seen = events_in(body)
    after = f"&starting_after={seen[-1]['sequence_number']}" if seen else ""
    return request("GET", f"/v1/responses/{response_id}?stream=true{after}", nodexa.key)


async def test_a_stream_that_is_cut_at_any_byte_goes_on_where_it_was(tmp_path: Path) -> None:
    async with ChatServer() as upstream:
        upstream.replies.append(Reply(TEXT))
        async with whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
            body = {"model": assistant_id, "input": "Count", "stream": True}
            live = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
            response_id = live.events[0]["response"]["id"]
            uncut = await ask(nodexa.port, watching(nodexa, response_id, b""))
            assert len(uncut.events) == 100
            assert live.body == uncut.body

            rests: dict[bytes, bytes] = {}
            for end in range(len(uncut.body) + 1):
                held = kept(uncut.body[:end])
                if held not in rests:
                    rests[held] = (await ask(nodexa.port, watching(nodexa, response_id, held))).body
                assert held + rests[held] == uncut.body

            cuts = list(range(len(uncut.raw) + 1))
            cuts = cuts if SOAK else sorted(random.sample(cuts, 300))
            async with Injector(nodexa.port) as injector:
                await _cut_and_resume(nodexa, injector, response_id, uncut, cuts)
            assert nodexa.complaints() == []
    measured("R5", bytes=len(uncut.body), connections_cut=len(cuts))


async def _cut_and_resume(nodexa: Whole, injector: Injector, response_id: str, uncut: Told, cuts: list[int]) -> None:
    """Cuts a real connection behind each number of bytes, and asks for the rest on another."""
    asked = watching(nodexa, response_id, b"")
    for start in range(0, len(cuts), AT_ONCE):
        limits = cuts[start : start + AT_ONCE]
        for limit in limits:
            injector.faults.append(Fault(limit=limit))
        answers = await asyncio.gather(*(ask(injector.port, asked) for _ in limits))
        assert sorted(len(answer.raw) for answer in answers) == limits
        held = [kept(answer.body) for answer in answers]
        rests = await asyncio.gather(*(ask(nodexa.port, watching(nodexa, response_id, part)) for part in held))
        for part, rest in zip(held, rests, strict=True):
            assert part + rest.body == uncut.body


async def test_a_stream_that_is_cut_while_it_is_written_goes_on_where_it_was(tmp_path: Path) -> None:
    chosen = random.Random(5)
    cuts = count(20, soak=1000)
    async with (
        ChatServer() as upstream,
        whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id),
        Injector(nodexa.port) as injector,
    ):
        for _ in range(cuts):
            upstream.replies.append(Reply(TEXT, pause=0.002))
            injector.faults.append(Fault(limit=chosen.randrange(2000, 16_000)))
            body = {"model": assistant_id, "input": "Count", "stream": True}
            async with line(injector.port) as cut:
                cut.writer.write(request("POST", "/v1/responses", nodexa.key, body))
                held = kept((await cut.rest()).body)
            assert held
            response_id = events_in(held)[0]["response"]["id"]
            rest = await ask(nodexa.port, watching(nodexa, response_id, held))
            uncut = await ask(nodexa.port, watching(nodexa, response_id, b""))
            assert held + rest.body == uncut.body
            assert uncut.events[-1]["type"] == "response.completed"
        assert nodexa.complaints() == []
