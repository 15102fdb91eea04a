"""A model whose server runs tools of its own: they reach it, and what they did comes back."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.item_pb2 import Item, Opaque
from nodexa.v1.response_pb2 import Response, ResponseSettings

from service.model.chunk import MessageEnd, OutputItem, TextDelta
from service.model.model import Abilities
from service.model.scripted import STOP, ScriptedModel, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.refusals import refusal
from tests.service.requests import create, said, stream
from tests.service.runner.ladder import climb

SEARCH = '{"type": "web_search", "filters": {"allowed_domains": ["a.b"]}}'
FOUND = '{"type": "web_search_call", "id": "ws_up", "status": "completed", "action": {"type": "search"}}'


@pytest.fixture
def model() -> ScriptedModel:
    """The model of `core`, which runs tools."""
    return ScriptedModel(abilities=Abilities(hosted=True))


def searching(**choice: object) -> ResponseSettings:
    tools = [{"opaque": {"type": "web_search", "json": SEARCH}}]
    include = ["web_search_call.action.sources"]
    return ParseDict({"tools": {"tools": tools}, "toolChoice": choice, "include": include}, ResponseSettings())


@pytest.mark.parametrize("choice", [{"mode": "MODE_REQUIRED"}, {"opaque": {"type": "web_search", "json": SEARCH}}])
async def test_its_tools_and_the_choice_of_one_reach_it(core: CoreUnderTest, choice: dict[str, object]) -> None:
    core.model.add(says("Found."))

    response = await create(core, settings=searching(**choice))

    assert (said(response), response.status) == ("Found.", Response.STATUS_COMPLETED)
    assert not response.settings.ignored
    told = core.model.prompts[0].settings
    assert told.tools.tools[0].opaque.json == SEARCH
    assert told.tool_choice.WhichOneof("kind") == next(iter(choice))


async def test_one_that_can_call_no_tools_is_sent_none(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel(abilities=Abilities(tools=False, hosted=True))) as core:
        answer = await refusal(create(core, settings=searching()))

    assert (answer.reason, answer.param) == ("tool_not_supported_for_model", "tools")


async def test_what_it_did_is_told_under_an_id_of_ours_and_comes_back_to_it_as_it_was(core: CoreUnderTest) -> None:
    found = Item(id="ws_up", opaque=Opaque(type="web_search_call", json=FOUND))
    core.model.add(
        [
            [OutputItem(0, found)],
            [OutputItem(0, phase="searching")],
            [OutputItem(0, found, done=True)],
            *says("It is."),
        ],
        says("Yes."),
    )

    events = await stream(core, settings=searching())
    climb(events)
    response = events[-1].completed.response
    await create(core, "Sure?", previous_response_id=response.id)

    search, answer = response.output
    assert search.id.startswith("ws_")
    assert search.id != "ws_up"
    assert [event.item_progress.phase for event in events if event.HasField("item_progress")] == ["searching"]
    assert answer.message.content[0].output_text.text == "It is."
    (seen,) = [item for item in core.model.prompts[1].items if item.HasField("opaque")]
    assert json.loads(seen.opaque.json) == json.loads(FOUND)


async def test_two_messages_of_one_turn_stay_two(core: CoreUnderTest) -> None:
    core.model.add(
        [
            [TextDelta("Let me see."), MessageEnd("commentary")],
            [TextDelta("Yes."), MessageEnd("final_answer"), STOP],
        ]
    )

    events = await stream(core)

    climb(events)
    messages = [item.message for item in events[-1].completed.response.output]
    assert [(each.phase, each.content[0].output_text.text) for each in messages] == [
        ("commentary", "Let me see."),
        ("final_answer", "Yes."),
    ]
