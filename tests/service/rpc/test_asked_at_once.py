"""A run whose model is asked by a call: no task while all goes well, and one that goes on where it doesn't."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CancelResponseRequest, ListResponsesRequest

from service.model.chunk import Chunk, Finish, FinishReason, TextDelta, TokenUsage
from service.model.scripted import STOP
from tests.conftest import CoreUnderTest
from tests.service.ready_model import ReadyModel
from tests.service.refusals import refusal
from tests.service.requests import create, get, said, with_tools

SECONDS = 10


@pytest.fixture
def model() -> ReadyModel:
    """The model of `core`."""
    return ReadyModel()


async def listed(core: CoreUnderTest, status: Response.Status.ValueType) -> Response:
    """The only response, once it has come to that."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
            if [response.status for response in found.responses] == [status]:
                return found.responses[0]


async def test_a_plain_answer_is_waited_for_by_nobody(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([[TextDelta("Hi"), STOP]], [[TextDelta("Ho"), TokenUsage(3, 4), STOP]])

    first, second = await create(core), await create(core)

    assert ([said(first), said(second)], model.waited_for) == (["Hi", "Ho"], 0)
    assert (first.HasField("usage"), second.usage.total_tokens) == (False, 7)
    assert [await get(core, response.id) for response in (first, second)] == [first, second]


@pytest.mark.parametrize(
    "answer",
    [
        [TextDelta("Cut"), Finish(FinishReason.LENGTH)],
        [TextDelta("One"), TextDelta(" two"), STOP],
        [STOP],
    ],
)
async def test_what_is_not_plain_goes_the_long_way(core: CoreUnderTest, model: ReadyModel, answer: list[Chunk]) -> None:
    model.add([answer])

    response = await create(core)

    cut = answer[-1] != STOP
    assert response.status == (Response.STATUS_INCOMPLETE if cut else Response.STATUS_COMPLETED)
    assert said(response) == "".join(chunk.text for chunk in answer if isinstance(chunk, TextDelta))
    assert model.waited_for == 1


async def test_a_tool_that_had_to_be_called_is_missed(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([[TextDelta("Rather not"), STOP]])
    settings = with_tools("look")
    settings.tool_choice.mode = settings.tool_choice.MODE_REQUIRED

    response = await create(core, settings=settings)

    assert (response.error.code, said(response)) == ("invalid_tool_call", "Rather not")


async def test_a_caller_that_leaves_hangs_up(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([asyncio.Event()])
    asked = asyncio.create_task(create(core))
    async with asyncio.timeout(SECONDS):
        while not model.prompts:
            await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
    asked.cancel()

    await listed(core, Response.STATUS_CANCELLED)

    assert (model.given_up, model.stopped, model.waited_for) == (1, 1, 0)


async def test_one_that_takes_long_can_be_cancelled(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([asyncio.Event()])
    asked = asyncio.create_task(create(core))
    begun = await listed(core, Response.STATUS_IN_PROGRESS)

    await core.responses.CancelResponse(CancelResponseRequest(id=begun.id), metadata=core.metadata())

    assert (await asked).status == Response.STATUS_CANCELLED
    assert (model.given_up, model.waited_for) == (1, 0)


async def test_a_core_that_goes_down_ends_it(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([asyncio.Event()])
    asked = asyncio.create_task(create(core))
    await listed(core, Response.STATUS_IN_PROGRESS)

    await core.core.runner.close()

    assert ((await refusal(asked)).reason, model.given_up) == ("server_error", 1)
    assert (await listed(core, Response.STATUS_FAILED)).error.code == "server_error"


async def test_a_bug_fails_the_response_and_says_so(core: CoreUnderTest, model: ReadyModel) -> None:
    model.add([[TextDelta(cast(str, 1)), STOP]])

    assert (await refusal(create(core))).reason == "internal_error"
    assert (await listed(core, Response.STATUS_FAILED)).error.code == "internal_error"
