"""Calls of a bridge whose caller, assistant and settings are at hand: begun and answered without a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CreateResponseRequest, GetResponseRequest

from bridge_link.parts import CANCEL
from service.errors import NodexaError
from service.model.chunk import TextDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, says
from service.rpc.at_once import CREATE as METHOD
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.keys import revoke, with_another_key
from tests.service.requests import asking, said, with_tools
from tests.service.rpc.bridge_end import SECONDS, Bridge, End, bridge_of, with_socket


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Those of a core with a socket for its bridges."""
    return with_socket(settings, tmp_path)


@pytest.fixture
def model() -> ScriptedModel:
    """The model of `core`, whose answers come whole."""
    return ScriptedModel(abilities=Abilities(at_once=True))


@pytest.fixture
async def bridge(core: CoreUnderTest) -> AsyncIterator[Bridge]:
    async with bridge_of(core) as joined:
        await known(joined, core)
        yield joined


async def known(bridge: Bridge, core: CoreUnderTest) -> None:
    """Calls once, so that all that the next call takes is at hand."""
    core.model.add(says("Hello"))
    ask(bridge, core, 100)
    assert (await bridge.end_of(100)).status == 0


def ask(
    bridge: Bridge,
    core: CoreUnderTest,
    number: int,
    request: CreateResponseRequest | None = None,
    *,
    bearer: bool = True,
) -> None:
    said = ("authorization", f"Bearer {core.key}") if bearer else ("x-api-key", core.key)
    bridge.open(core, number, "CreateResponse", request or asking(core), metadata=(said, ("x-request-id", "mine")))


async def until_asked(core: CoreUnderTest, times: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len(core.model.prompts) < times:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


def tasks() -> int:
    """How many calls have a task."""
    return sum(task.get_name() == METHOD for task in asyncio.all_tasks())


def refusal(end: End) -> tuple[int, object]:
    """The status of an error, and the request that it says it is of."""
    return end.status, end.metadata["x-request-id"]


@pytest.mark.parametrize("bearer", [True, False])
async def test_a_call_that_waits_for_its_answer_has_no_task(
    bridge: Bridge, core: CoreUnderTest, *, bearer: bool
) -> None:
    answering = asyncio.Event()
    core.model.add([answering, [TextDelta("Late"), STOP]])
    ask(bridge, core, 1, bearer=bearer)
    await until_asked(core, 2)
    assert tasks() == 0
    answering.set()

    answer = Response.FromString((await bridge.end_of(1)).message)
    alone = await core.responses.GetResponse(GetResponseRequest(id=answer.id), metadata=core.metadata())
    assert said(answer) == "Late"
    assert answer == alone


async def test_many_at_the_same_time_get_their_own_answers(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add(*(says(f"No. {number}") for number in range(20)))
    for number in range(20):
        ask(bridge, core, number)
    ends = [await bridge.end_of(number) for number in range(20)]

    answers = [Response.FromString(end.message) for end in ends]
    assert [said(answer) for answer in answers] == [f"No. {number}" for number in range(20)]
    assert len({answer.id for answer in answers}) == 20


async def test_one_who_hangs_up_leaves_the_run_which_is_stopped(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add([asyncio.Event()], says("Hello"))
    ask(bridge, core, 1)
    await until_asked(core, 2)
    bridge.say(1, CANCEL, b"")

    assert (await bridge.end_of(1)).status == grpc.StatusCode.CANCELLED.value[0]
    async with asyncio.timeout(SECONDS):
        while core.model.stopped == 0:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    ask(bridge, core, 2)
    assert (await bridge.end_of(2)).status == 0


async def test_a_bridge_that_is_gone_leaves_its_runs_too(core: CoreUnderTest) -> None:
    async with bridge_of(core) as bridge:
        await known(bridge, core)
        core.model.add([asyncio.Event()])
        ask(bridge, core, 1)
        await until_asked(core, 2)
    async with asyncio.timeout(SECONDS):
        while core.model.stopped == 0:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_call_whose_key_stops_working_is_told_so(bridge: Bridge, core: CoreUnderTest) -> None:
    theirs, key_id = await with_another_key(core)
    await known(bridge, theirs)
    core.model.add([asyncio.Event()])
    ask(bridge, theirs, 1)
    await until_asked(core, 3)
    await revoke(core, key_id)
    end = await bridge.end_of(1)

    assert refusal(end) == (grpc.StatusCode.UNAUTHENTICATED.value[0], "mine")
    assert "invalid_api_key" in end.reason
    ask(bridge, theirs, 2)
    assert "invalid_api_key" in (await bridge.end_of(2)).reason


async def test_what_the_model_fails_with_is_told(bridge: Bridge, core: CoreUnderTest) -> None:
    core.model.add([NodexaError("upstream_error", "It broke.")])
    ask(bridge, core, 1)
    end = await bridge.end_of(1)

    assert refusal(end) == (grpc.StatusCode.UNAVAILABLE.value[0], "mine")
    assert "upstream_error" in end.reason


async def test_a_request_that_is_refused_is_told_why_as_ever(bridge: Bridge, core: CoreUnderTest) -> None:
    ask(bridge, core, 1, asking(core, settings=ResponseSettings(temperature=9)))
    ask(bridge, core, 2, asking(core, previous_response_id="resp_none"))
    bridge.open(core, 3, "CreateResponse", ResponseSettings(temperature=1), metadata=[("authorization", "Bearer x")])

    assert "invalid_request" in (await bridge.end_of(1)).reason
    assert "previous_response_not_found" in (await bridge.end_of(2)).reason
    assert "invalid_api_key" in (await bridge.end_of(3)).reason


async def test_what_takes_more_than_an_answer_is_answered_too(bridge: Bridge, core: CoreUnderTest) -> None:
    first = Response.FromString((await bridge.end_of(100)).message)
    requests = [
        asking(core, previous_response_id=first.id),
        asking(core, settings=with_tools("look")),
        asking(core, request_id="once"),
        asking(core, settings=ResponseSettings(store=False)),
    ]
    for number, request in enumerate(requests):
        core.model.add(says(f"No. {number}"))
        ask(bridge, core, number, request)
        assert said(Response.FromString((await bridge.end_of(number)).message)) == f"No. {number}"


async def test_an_answer_above_the_limit_is_refused_and_the_others_go_on(settings: Settings) -> None:
    model = ScriptedModel(abilities=Abilities(at_once=True))
    async with running_core(replace(settings, max_message_bytes=128 * 1024), model) as core, bridge_of(core) as bridge:
        await known(bridge, core)
        model.add([[TextDelta("x" * 100_000), STOP]], says("Hello"))
        ask(bridge, core, 1)
        assert (await bridge.end_of(1)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        ask(bridge, core, 2)
        assert (await bridge.end_of(2)).status == 0


async def test_a_core_that_is_full_says_so(settings: Settings, model: ScriptedModel) -> None:
    full = running_core(replace(settings, max_calls=1), model)
    async with full as core, bridge_of(core) as first, bridge_of(core) as second:
        await known(first, core)
        model.add([asyncio.Event()])
        ask(first, core, 1)
        await until_asked(core, 2)
        ask(second, core, 1)
        assert "server_overloaded" in (await second.end_of(1)).reason
