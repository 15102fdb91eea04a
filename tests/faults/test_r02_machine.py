"""R2: one terminal event per response, numbers that only rise, and the same bytes in every replay, whatever is done.

Hypothesis makes up what clients do and when the core is killed; the core is one process, started anew after each kill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import (
    CancelResponseRequest,
    DeleteResponseRequest,
    GetResponseRequest,
    WatchResponseRequest,
)

from tests.fakes.chat_server import ChatServer
from tests.faults.core_process import (
    SECONDS,
    START_SECONDS,
    CoreProcess,
    answering_core,
    asking,
    assistant_on,
    wrong_with,
)
from tests.faults.counts import SOAK, count, measured
from tests.service.refusals import read
from tests.service.runner.ladder import climb

pytestmark = pytest.mark.timeout(4 * 3600 if SOAK else 300)

T = TypeVar("T")

RUNS: Final = count(200, soak=5000)
BATCH: Final = 500
"""Runs behind which a line of figures is written."""
STEPS: Final = 8
FINAL: Final = ("completed", "incomplete", "failed")
TEXTS: Final = ("Hello", "count 30", "slow one two three four", "stall", "broken")


@dataclass(slots=True)
class Told:
    """What clients have been told of a response: its events by number, as bytes."""

    id: str
    events: dict[int, bytes] = field(default_factory=dict)
    final: Response | None = None

    def hear(self, events: list[ResponseEvent], *, after: int = -1) -> None:
        """Fails unless the events follow one on another, and are what was said before where it was."""
        for number, event in enumerate(events, after + 1):
            assert event.sequence_number == number
            said = event.SerializeToString(deterministic=True)
            assert self.events.setdefault(number, said) == said


class World:
    """One core, the clients' way to it, and what it takes to kill it."""

    def __init__(self, data: Path, upstream: ChatServer) -> None:
        self.data = data
        self.assistant_id = ""
        self.kills = 0
        self._upstream = upstream
        self._loop = asyncio.get_running_loop()
        self._stack = AsyncExitStack()
        self.core: CoreProcess

    async def start(self) -> None:
        self.core = await self._stack.enter_async_context(answering_core(self.data))
        if not self.assistant_id:
            self.assistant_id = await assistant_on(self.core, self._upstream.url)

    async def kill(self) -> None:
        self.kills += 1
        await self.core.kill()
        await self._stack.aclose()
        await self.start()

    async def close(self) -> None:
        assert await self.core.terminate() == 0
        await self._stack.aclose()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does the work in the test's event loop, from the thread in which Hypothesis is."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS + START_SECONDS)

    async def create(self, text: str, *, background: bool) -> Response:
        request = asking(self.assistant_id, text, settings=ResponseSettings(background=background))
        return await self.core.responses.CreateResponse(request, metadata=self.core.metadata)

    async def stream(self, text: str, most: int, *, background: bool) -> list[ResponseEvent]:
        """The first events of a new stream, whose reader then leaves."""
        request = asking(self.assistant_id, text, settings=ResponseSettings(background=background))
        return await first(self.core.responses.StreamResponse(request, metadata=self.core.metadata), most)

    async def watch(self, response_id: str, after: int, most: int) -> list[ResponseEvent]:
        request = WatchResponseRequest(id=response_id, starting_after=None if after < 0 else after)
        return await first(self.core.responses.WatchResponse(request, metadata=self.core.metadata), most)

    async def get(self, response_id: str) -> Response:
        return await self.core.responses.GetResponse(GetResponseRequest(id=response_id), metadata=self.core.metadata)

    async def cancel(self, response_id: str) -> Response:
        request = CancelResponseRequest(id=response_id)
        return await self.core.responses.CancelResponse(request, metadata=self.core.metadata)

    async def delete(self, response_id: str) -> None:
        await self.core.responses.DeleteResponse(DeleteResponseRequest(id=response_id), metadata=self.core.metadata)


async def first(call: Any, most: int) -> list[ResponseEvent]:
    """At least so many events of a stream, where it has them; then its reader leaves."""
    seen = EventBatch()
    async for batch in call:
        seen.events.extend(batch.events)
        if len(seen.events) >= most:
            call.cancel()
            break
    return list(seen.events)


async def reason(call: Awaitable[object]) -> str:
    """Why a call is refused; empty for one that is not."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return read(error).reason
    return ""


class Clients(RuleBasedStateMachine):
    """What clients may do, in any order. `world` is set by the test."""

    world: World
    responses: Bundle[Told] = Bundle("responses")

    def __init__(self) -> None:
        super().__init__()
        self.known: list[Told] = []

    @rule(target=responses, text=st.sampled_from(TEXTS))
    def create(self, text: str) -> Told:
        told = Told(self.world.run(self.world.create(text, background=True)).id)
        self.known.append(told)
        return told

    @rule(target=responses, text=st.sampled_from(TEXTS), most=st.integers(1, 40), background=st.booleans())
    def stream(self, text: str, most: int, background: bool) -> Told:  # noqa: FBT001 - Hypothesis calls by name
        patience = min(most, 2) if text == "stall" else most
        events = self.world.run(self.world.stream(text, patience, background=background))
        told = Told(events[0].created.response.id)
        told.hear(events)
        self.known.append(told)
        return told

    @rule(told=responses, after=st.integers(-1, 45))
    def resume(self, told: Told, after: int) -> None:
        after = min(after, max(told.events, default=-1))
        most = max(told.events, default=-1) - after
        if most > 0:
            told.hear(self.world.run(self.world.watch(told.id, after, most)), after=after)

    @rule(told=responses)
    def get(self, told: Told) -> None:
        response = self.world.run(self.world.get(told.id))
        if response.HasField("complete_time"):
            told.final = told.final or response
        assert told.final in (None, response)

    @rule(told=responses)
    def cancel(self, told: Told) -> None:
        response = self.world.run(self.world.cancel(told.id))
        told.final = told.final or response
        assert response == told.final

    @rule(told=consumes(responses))
    def delete(self, told: Told) -> None:
        self.world.run(self.world.delete(told.id))
        self.known.remove(told)
        assert self.world.run(reason(self.world.get(told.id))) == "response_not_found"

    @rule(really=st.integers(0, 11))
    def kill(self, really: int) -> None:
        # Each costs a second: one in twelve that are thought of will do.
        if really == 11:
            self.world.run(self.world.kill())

    def teardown(self) -> None:
        for told in self.known:
            self.cancel(told)
            whole = self.world.run(self.world.watch(told.id, -1, 10**6))
            climb(whole)
            told.hear(whole)
            assert len(told.events) == len(whole)
            middle = len(whole) // 2
            told.hear(self.world.run(self.world.watch(told.id, middle, 10**6)), after=middle)
            self.get(told)


async def test_whatever_clients_do_a_log_is_one_story_with_one_end(tmp_path: Path) -> None:
    data = tmp_path / "var"
    async with ChatServer() as upstream:
        world = World(data, upstream)
        await world.start()
        machine = type("Machine", (Clients,), {"world": world})
        chosen = settings(
            max_examples=min(RUNS, BATCH),
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        for runs in range(0, RUNS, BATCH):
            await asyncio.to_thread(run_state_machine_as_test, machine, settings=chosen)
            measured("R2", runs=min(runs + BATCH, RUNS), kills=world.kills, violations=0)
        await world.close()
    assert wrong_with(data) == []
