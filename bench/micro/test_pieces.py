"""What each piece costs alone: 200 tokens of one reply, in batches of 16, unless a name says otherwise."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from nodexa.v1.admin_pb2 import Organization
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.micro.conftest import Loop
from rest_bridge.wire.event import StreamRenderer
from rest_bridge.wire.request import parse_create
from service.ids import new_id
from service.model.chunk import TextDelta
from service.runner.caller import Caller
from service.runner.emit import Emitter
from service.runner.fold import fold
from service.store.administration import Administration
from service.store.database import Database
from service.store.ownership import Ownership
from service.store.records import ResponseRow, Segment
from service.store.responses import ResponseStore
from tests.conftest import CoreUnderTest

TOKENS: Final = 200
BATCH: Final = 16
TOOLS: Final = 128


def _reply(size: int = BATCH) -> list[EventBatch]:
    """As a run makes it for a caller who asked for no log probabilities, so many tokens a batch."""
    chunks = [TextDelta(f" t{number}") for number in range(TOKENS)]
    emitter = Emitter(Response(id=new_id("resp")), new_id=new_id, logprobs=False)
    first = emitter.begin()
    first.settings.SetInParent()
    batches = [first, *(emitter.feed(chunks[start : start + size]) for start in range(0, TOKENS, size))]
    return [*batches, emitter.finish(Response.STATUS_COMPLETED, now=0)]


def _small(assistant: str) -> dict[str, Any]:
    return {"model": assistant, "input": "Say something.", "stream": True}


def _large(assistant: str) -> dict[str, Any]:
    """128 tools and a conversation of 200 messages."""
    schema = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    tools = [{"type": "function", "name": f"look_{n}", "parameters": schema} for n in range(TOOLS)]
    words = [{"role": role, "content": "word " * 100} for role in ("user", "assistant") * 100]
    return {"model": assistant, "input": words, "tools": tools, "instructions": "Be short. " * 100}


def test_emit(benchmark: BenchmarkFixture) -> None:
    benchmark(_reply)


def test_emit_one_by_one(benchmark: BenchmarkFixture) -> None:
    benchmark(_reply, size=1)


def test_fold(benchmark: BenchmarkFixture) -> None:
    events = [event for batch in _reply() for event in batch.events]
    assert benchmark(fold, events).status == Response.STATUS_COMPLETED


def test_serialize(benchmark: BenchmarkFixture) -> None:
    batches = _reply()
    benchmark(lambda: [batch.SerializeToString() for batch in batches])


def test_render(benchmark: BenchmarkFixture) -> None:
    batches = _reply()

    def render() -> Sequence[bytes]:
        renderer = StreamRenderer(lambda _: False)
        return [renderer.render(batch) for batch in batches]

    assert b"response.completed" in benchmark(render)[-1]


def test_render_one_by_one(benchmark: BenchmarkFixture) -> None:
    batches = _reply(size=1)

    def render() -> Sequence[bytes]:
        renderer = StreamRenderer(lambda _: False)
        return [renderer.render(batch) for batch in batches]

    benchmark(render)


@pytest.mark.parametrize("make", [_small, _large])
def test_parse(benchmark: BenchmarkFixture, make: Any) -> None:
    body = json.dumps(make("asst_1"))
    benchmark(lambda: parse_create(json.loads(body), user_tokens={}, ignored=[]))


def test_append(benchmark: BenchmarkFixture, loop: Loop, tmp_path: Path) -> None:
    """One segment of 16 events, in a transaction of its own."""
    data = _reply()[1].SerializeToString()
    row = ResponseRow("resp_1", "org_1", "asst_1", "", "key_1", "", "in_progress", False, 0, 0)
    store = loop.run(_store(loop, tmp_path / "micro.db", row, data))
    first = itertools.count(BATCH, BATCH)

    async def append() -> None:
        start = next(first)
        await store.append(row.id, Segment(start, start + BATCH - 1, data))

    benchmark(lambda: loop.run(append()))


async def _store(loop: Loop, path: Path, row: ResponseRow, data: bytes) -> ResponseStore:
    database = await Database.open(path)
    loop.open.push_async_callback(database.close)
    await Administration(database).add_organization(Organization(id=row.org_id, name="One"), now=0)
    await Ownership(database, "core_1").enter(0, alone=True)
    store = ResponseStore(database, owner="core_1")
    await store.create(row, b"", b"", Segment(0, BATCH - 1, data))
    return store


@pytest.mark.parametrize("make", [_small, _large])
def test_admission(benchmark: BenchmarkFixture, loop: Loop, core: CoreUnderTest, make: Any) -> None:
    """From the request to a run that is ready to begin, without the store's part."""
    # Nothing but a core puts one together.
    admission = core.core.runner._admission
    request = parse_create(make(core.assistant_id), user_tokens={}, ignored=[]).request
    caller = Caller(org_id=loop.run(_organization(core)), key_id="key_1")

    def admit() -> None:
        asked = CreateResponseRequest()
        asked.CopyFrom(request)
        loop.run(admission.admit(asked, caller, streaming=True))

    benchmark(admit)


async def _organization(core: CoreUnderTest) -> str:
    row = await core.core.database.read(lambda db: db.conn.execute("select id from organizations").fetchone())
    return str(row[0])
