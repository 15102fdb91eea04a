"""A stream of a model that tells what it reads by a call: the same story, and nothing of it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response, ResponseSettings
from nodexa.v1.response_service_pb2 import CancelResponseRequest

from service.errors import NodexaError
from service.model.chunk import TextDelta
from service.model.model import Abilities, Prompt, Take
from service.model.scripted import STOP, ScriptedModel, calls, says
from service.runner.fold import fold
from tests.conftest import CoreUnderTest, events_in
from tests.service.requests import asking, call, output, said, stream, watch, with_tools
from tests.service.runner.ladder import climb, kinds

SECONDS = 10
STRICT = {"text": {"format": {"jsonSchema": {"name": "n", "schemaJson": '{"type": "number"}', "strict": True}}}}


class Hasty(ScriptedModel):
    """Says something when it is asked `Wait`, and does not wait for anybody then."""

    async def write(self, prompt: Prompt, take: Take) -> None:
        if prompt.items[-1].message.content[0].input_text.text != "Wait":
            await super().write(prompt, take)
            return
        take([TextDelta("Once")])
        await asyncio.Event().wait()


def told(events: Sequence[ResponseEvent]) -> Response:
    """What the events come to, once they were held against the ladder."""
    climb(events)
    return fold(events)


@pytest.fixture
def model() -> ScriptedModel:
    """The model of `core`."""
    return Hasty(abilities=Abilities(at_once=True))


async def test_words_and_calls_are_told_as_they_come(core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("One")], gate, [TextDelta(" two")], [STOP]], calls(("look", "{}")))
    asked = core.responses.StreamResponse(asking(core), metadata=core.metadata())
    events = []
    async for batch in asked:
        events += events_in([batch])
        if "output_text_delta" in kinds(events):
            gate.set()

    assert said(told(events)) == "One two"
    assert told(await stream(core, settings=with_tools("look"))).status == Response.STATUS_REQUIRES_ACTION


async def test_what_was_told_before_a_failure_is_shown_before_it(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], NodexaError("upstream_error", "It broke.")])
    response = told(await stream(core))
    assert (said(response), response.status, response.error.code) == ("Once", Response.STATUS_FAILED, "upstream_error")


async def test_words_that_nobody_waited_for_when_it_was_stopped_are_told(core: CoreUnderTest) -> None:
    asked = core.responses.StreamResponse(asking(core, "Wait"), metadata=core.metadata())
    async with asyncio.timeout(SECONDS):
        begun = events_in([await anext(aiter(asked))])[0].created.response.id
        await core.responses.CancelResponse(CancelResponseRequest(id=begun), metadata=core.metadata())
    response = told(await watch(core, begun))
    assert (said(response), response.status) == ("Once", Response.STATUS_CANCELLED)


@pytest.mark.parametrize(
    ("wanted", "script", "status"),
    [
        (STRICT, [says("No number")], Response.STATUS_FAILED),
        (STRICT, [says("12")], Response.STATUS_COMPLETED),
        (
            {"truncation": "TRUNCATION_AUTO"},
            [[NodexaError("context_length_exceeded", "Too long.")], says("Short enough")],
            Response.STATUS_COMPLETED,
        ),
    ],
)
async def test_what_has_to_be_checked_is_checked_all_the_same(
    core: CoreUnderTest, wanted: Mapping[str, Any], script: list[Any], status: Response.Status.ValueType
) -> None:
    core.model.add(*script)
    events = await stream(
        core, "One", call("c1"), output("c1", "x"), "Two", settings=ParseDict(wanted, ResponseSettings())
    )
    assert told(events).status == status
