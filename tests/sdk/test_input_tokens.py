"""Tokens counted beforehand, through the Python SDK: exactly those of the usage, or a refusal."""

from __future__ import annotations

import openai
import pytest

from tests.sdk.stack import Stack


@pytest.mark.slow
def test_the_embedded_model_counts_what_the_usage_will_say(client: openai.OpenAI, stack: Stack) -> None:
    embedded = stack.quickstart["NODEXA_ASSISTANT_ID"]
    first = client.responses.create(model=embedded, input="I am Alice.", max_output_tokens=4)
    assert first.usage

    one = client.responses.input_tokens.count(model=embedded, input="I am Alice.")
    two = client.responses.input_tokens.count(
        model=embedded, input="And who are you?", instructions="Be brief.", previous_response_id=first.id
    )
    second = client.responses.create(
        model=embedded,
        input="And who are you?",
        instructions="Be brief.",
        previous_response_id=first.id,
        max_output_tokens=4,
    )

    assert second.usage
    assert (one.object, one.input_tokens) == ("response.input_tokens", first.usage.input_tokens)
    assert two.input_tokens == second.usage.input_tokens > one.input_tokens


def test_a_server_that_can_not_count_is_not_guessed_for(client: openai.OpenAI, assistant: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.input_tokens.count(model=assistant, input="Hello")
    assert (caught.value.code, caught.value.param) == ("tokens_not_countable", "model")
