"""Counting a prompt: what the model would be told, as it counts itself, and never an estimate."""

from __future__ import annotations

from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.response_service_pb2 import CountInputTokensRequest, ListResponsesRequest

from service.model.scripted import says
from tests.conftest import CoreUnderTest
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
