"""R12: a bad model server never breaks us: one error that says what is wrong, in time, and nothing in the logs."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from nodexa.v1.admin_pb2 import Assistant, Model
from nodexa.v1.admin_service_pb2 import CreateAssistantRequest, CreateModelRequest

from tests.fakes.chat_server import ChatServer
from tests.faults.bad_answers import BAD, SECRET, Bad
from tests.faults.counts import SOAK, count, measured
from tests.faults.http import Told, ask, request
from tests.faults.injector import Injector
from tests.faults.whole import Whole, whole

pytestmark = pytest.mark.timeout(2 * 3600 if SOAK else 300)

IDLE_SECONDS: Final = 0.5
TOTAL_SECONDS: Final = 4.0
RETRIES: Final = 3
ENOUGH_SECONDS: Final = RETRIES * TOTAL_SECONDS + 9.0
"""A bound for a busy machine."""
WAYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "streamed": {"stream": True},
    "whole": {},
    "in the background": {"background": True},
}


@dataclass(frozen=True, slots=True)
class Bench:
    """A Nodexa whose model server, behind an injector, does what a test says."""

    nodexa: Whole
    upstream: ChatServer
    injector: Injector
    assistant_id: str


@asynccontextmanager
async def bench(data: Path) -> AsyncIterator[Bench]:
    """Deadlines are short, as an administrator can set them."""
    async with ChatServer() as upstream, Injector(upstream.port) as injector, whole(data) as nodexa:
        model = Model(
            name="bad",
            kind=Model.KIND_OPENAI_CHAT,
            base_url=f"{injector.url}/v1",
            idle_seconds=IDLE_SECONDS,
            total_seconds=TOTAL_SECONDS,
        )
        core = nodexa.core
        await core.admin.CreateModel(CreateModelRequest(model=model), metadata=core.metadata)
        wanted = CreateAssistantRequest(assistant=Assistant(name="Tested", model="bad"))
        made = await core.admin.CreateAssistant(wanted, metadata=core.metadata)
        yield Bench(nodexa, upstream, injector, made.id)


async def outcome(bench: Bench, bad: Bad, way: str) -> tuple[str, Told]:
    """The one error that the caller is told of, or `completed`."""
    nodexa = bench.nodexa
    # What can be tried again gets the same again.
    bench.upstream.replies = deque([bad.answer] * RETRIES)
    bench.injector.fault = bad.fault
    body = {"model": bench.assistant_id, "input": "Hello", **WAYS[way]}
    answer = await ask(nodexa.port, request("POST", "/v1/responses", nodexa.key, body))
    if way == "in the background":
        path = f"/v1/responses/{answer.json['id']}?stream=true"
        answer = await ask(nodexa.port, request("GET", path, nodexa.key))
    assert SECRET.encode() not in answer.raw
    return told_once(answer), answer


def told_once(answer: Told) -> str:
    """The code of the error, which is there once, or the status of the end."""
    if b"text/event-stream" not in answer.head:
        found = answer.json
        return str(found["error"]["code"] if found.get("error") else found["status"])
    ends = [event for event in answer.events if event["type"] in ("response.failed", "response.completed")]
    assert len(ends) == 1
    assert ends[0] == answer.events[-1]
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert sum(event["type"] == "error" for event in answer.events) <= 1
    error = ends[0]["response"]["error"]
    return str(error["code"] if error else ends[0]["response"]["status"])


async def test_every_fault_is_one_error_in_time_and_no_traceback(tmp_path: Path) -> None:
    wrong: list[str] = []
    longest = 0.0
    loop = asyncio.get_running_loop()
    rounds = count(1, soak=2)
    async with bench(tmp_path / "var") as tested:
        for name, bad in [pair for _ in range(rounds) for pair in BAD.items()]:
            for way in WAYS:
                begun = loop.time()
                async with asyncio.timeout(ENOUGH_SECONDS):
                    code, answer = await outcome(tested, bad, way)
                longest = max(longest, loop.time() - begun)
                if code != bad.code:
                    wrong.append(f"{name}, {way}: {code} in place of {bad.code}: {answer.body[-300:]!r}")
        tested.upstream.replies.clear()
        tested.injector.fault = BAD["split anywhere"].fault
        code, _ = await outcome(tested, BAD["split anywhere"], "whole")
        assert code == "completed"
        assert tested.nodexa.complaints() == []
        assert SECRET not in json.dumps([*tested.nodexa.core.log, *tested.nodexa.bridge.log])
    assert wrong == []
    measured("R12", faults=rounds * len(BAD) * len(WAYS), longest_seconds=round(longest, 1))


async def test_a_throttled_model_server_says_when_to_come_back(tmp_path: Path) -> None:
    async with bench(tmp_path / "var") as tested:
        code, answer = await outcome(tested, BAD["429 with Retry-After"], "whole")
    assert (answer.status, code) == (429, "rate_limit_exceeded")
    assert b"retry-after: 7" in answer.head.lower()
