"""Counting a prompt: what the model would be told, as it counts itself, and never an estimate."""

from __future__ import annotations

import pytest
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CountInputTokensRequest, ListResponsesRequest
from nodexa.v1.tool_pb2 import ToolSet

from service.model.scripted import ScriptedModel, says
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.fakes.tool_kind import PROVIDER, FakeKind, FakeTool, fake_tool
from tests.service.refusals import Refusal, refusal
from tests.service.requests import create, user, words_of


def counting(core: CoreUnderTest, text: str = "Hello", **more: object) -> CountInputTokensRequest:
    return CountInputTokensRequest(**{"assistant_id": core.assistant_id, "input": [user(text)], **more})


async def refused(core: CoreUnderTest, request: CountInputTokensRequest) -> Refusal:
    return await refusal(core.responses.CountInputTokens(request, metadata=core.metadata()))


async def test_the_count_is_the_model_s_own(core: CoreUnderTest) -> None:
    core.model.tokens = 17

    answer = await core.responses.CountInputTokens(counting(core), metadata=core.metadata())

    assert answer.input_tokens == 17


async def test_the_prompt_that_is_counted_is_the_one_that_would_be_answered(core: CoreUnderTest) -> None:
    core.model.tokens = 17
    core.model.add(says("Hi Alice"), says("Alice"))
    first = await create(core, "I am Alice")
    settings = ResponseSettings(instructions="Be brief.", temperature=0.5)
    request = counting(core, "Who am I?", previous_response_id=first.id, settings=settings)

    await core.responses.CountInputTokens(request, metadata=core.metadata())
    await create(core, "Who am I?", previous_response_id=first.id, settings=settings)

    (counted,) = core.model.counted
    answered = core.model.prompts[-1]
    assert words_of(tuple(counted.items)) == words_of(tuple(answered.items)) == ["I am Alice", "Hi Alice", "Who am I?"]
    assert (counted.instructions, counted.settings) == (answered.instructions, answered.settings)


async def test_counting_leaves_nothing_behind(core: CoreUnderTest) -> None:
    core.model.tokens = 17

    await core.responses.CountInputTokens(counting(core), metadata=core.metadata())

    listed = await core.responses.ListResponses(ListResponsesRequest(), metadata=core.metadata())
    assert not listed.responses
    assert not core.model.prompts


async def test_a_model_that_can_not_count_is_not_guessed_for(core: CoreUnderTest) -> None:
    answer = await refused(core, counting(core))

    assert (answer.status, answer.reason, answer.param) == ("FAILED_PRECONDITION", "tokens_not_countable", "model")
    assert "usage" in answer.message


async def test_a_prompt_that_could_not_be_answered_is_not_counted(core: CoreUnderTest) -> None:
    core.model.tokens = 17

    no_input = await refused(core, CountInputTokensRequest(assistant_id=core.assistant_id))
    too_hot = await refused(core, counting(core, settings=ResponseSettings(temperature=3)))

    assert (no_input.reason, no_input.param) == ("missing_required_field", "input")
    assert (too_hot.reason, too_hot.param) == ("invalid_request", "temperature")


async def test_the_functions_of_servers_are_counted_as_they_would_be_shown(
    settings: Settings, model: ScriptedModel
) -> None:
    model.tokens = 17
    kind = FakeKind(FakeTool("look", "It rains."), FakeTool("send", "Sent.", approval=True))
    using = ResponseSettings(tools=ToolSet(tools=[fake_tool()]))
    async with running_core(settings, model, kinds={"mcp": kind}) as core:
        await core.responses.CountInputTokens(counting(core, settings=using), metadata=core.metadata())
        model.add(says("Hello"))
        await create(core, settings=using)

    (counted,) = model.counted
    assert [tool.function.name for tool in counted.settings.tools.tools] == ["look", "send"]
    assert counted.settings.tools == model.prompts[0].settings.tools
    assert not any(tool.calls for tool in kind.tools.values())
    assert kind.opened == kind.closed


@pytest.mark.parametrize("brought", [False, True])
async def test_functions_that_only_a_token_shows_are_counted_with_it(
    settings: Settings, model: ScriptedModel, *, brought: bool
) -> None:
    model.tokens = 17
    using = ResponseSettings(tools=ToolSet(tools=[fake_tool()]))
    kind = FakeKind(FakeTool("look", "It rains."), wants=PROVIDER)
    async with running_core(settings, model, kinds={"mcp": kind}) as core:
        if brought:
            request = counting(core, settings=using, user_tokens={PROVIDER: "canary"})
            await core.responses.CountInputTokens(request, metadata=core.metadata())
            assert [tool.function.name for tool in model.counted[0].settings.tools.tools] == ["look"]
        else:
            answer = await refused(core, counting(core, settings=using))
            assert (answer.reason, answer.param) == ("tokens_not_countable", "x-user-tokens")
