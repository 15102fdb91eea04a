"""A Nodexa in front of a Nodexa: what the model of one says is the answer of an assistant of the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import CustomToolParam, ResponseCustomToolCall
from pydantic import BaseModel

from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS
from tests.sdk.told import deltas, ended
from tests.service.cli.served import SECONDS

SHELL: CustomToolParam = {"type": "custom", "name": "shell"}


class City(BaseModel):
    """What a structured answer is."""

    name: str
    inhabitants: int


@pytest.fixture(scope="module")
def front(stack: Stack, assistant: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """The second Nodexa, and its assistant, whose model is the assistant of the first."""
    front = Stack(tmp_path_factory.mktemp("front"), env={"BACK_KEY": stack.key})
    try:
        front.start()
        back = ("--base-url", f"{stack.base_url}/v1", "--upstream-model", assistant, "--api-key-env", "BACK_KEY")
        front.nodexa("models", "add", "back", "--kind", "openai_responses", *back)
        yield front, front.nodexa("assistants", "create", "--name", "relay", "--model", "back")["id"]
    finally:
        front.stop()


@pytest.fixture
def client(front: tuple[Stack, str], recorder: Recorder) -> Iterator[openai.OpenAI]:
    stack, _ = front
    base_url = f"{stack.base_url}/v1"
    with openai.OpenAI(base_url=base_url, api_key=stack.key, timeout=SECONDS, http_client=recorder.http()) as client:
        yield client


@pytest.fixture
def relay(front: tuple[Stack, str]) -> str:
    return front[1]


def test_text_comes_through_whole_and_piece_by_piece(client: openai.OpenAI, relay: str) -> None:
    whole = client.responses.create(model=relay, input="Hello, wide world")
    events = list(client.responses.create(model=relay, input="Hello, wide world", stream=True))

    assert (whole.status, whole.output_text, whole.model) == ("completed", "Hello, wide world", relay)
    assert whole.usage
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (3, 3)
    assert deltas(events) == ["Hello,", " wide", " world"]
    assert ended(events).usage == whole.usage


def test_the_second_turn_knows_the_first(client: openai.OpenAI, relay: str) -> None:
    first = client.responses.create(model=relay, input="My name is Alice.")
    second = client.responses.create(model=relay, input="recall", previous_response_id=first.id)
    assert second.output_text == "My name is Alice."


def test_two_calls_at_once_are_answered(client: openai.OpenAI, relay: str) -> None:
    asked = ended(
        client.responses.create(model=relay, input="call weather in Paris and Rome", tools=TOOLS, stream=True)
    )
    calls = [item for item in asked.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("weather", {"city": "Paris"}),
        ("weather", {"city": "Rome"}),
    ]
    outputs: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"sun {place}"}
        for place, call in enumerate(calls)
    ]
    answered = client.responses.create(model=relay, input=outputs, tools=TOOLS, previous_response_id=asked.id)
    assert answered.output_text == "The tools said: sun 0; sun 1"


@pytest.mark.parametrize("stream", [True, False])
def test_a_custom_tool_is_called_with_its_text(client: openai.OpenAI, relay: str, *, stream: bool) -> None:
    made: Any = client.responses.create(model=relay, input="call shell", tools=[SHELL], stream=stream)
    asked = ended(made) if stream else made
    (call,) = [item for item in asked.output if isinstance(item, ResponseCustomToolCall)]
    assert (call.name, call.input) == ("shell", "text")
    output: Any = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "done"}
    answered = client.responses.create(model=relay, input=[output], tools=[SHELL], previous_response_id=asked.id)
    assert answered.output_text == "The tools said: done"


def test_structured_output_is_parsed(client: openai.OpenAI, relay: str) -> None:
    parsed = client.responses.parse(model=relay, input="A city", text_format=City)
    assert parsed.output_parsed == City(name="text", inhabitants=1)


@pytest.mark.parametrize("stored", [True, False])
def test_thinking_goes_back_to_the_server_that_thought(client: openai.OpenAI, relay: str, *, stored: bool) -> None:
    first = ended(
        client.responses.create(
            model=relay,
            input="think Hello, wide world",
            store=stored,
            include=["reasoning.encrypted_content"],
            stream=True,
        )
    )
    thought, said = first.output
    assert thought.type == "reasoning"
    assert [part.text for part in thought.content or ()] == ["Let me think."]
    assert thought.encrypted_content
    assert said.type == "message"
    if stored:
        second = client.responses.create(model=relay, input="recall", previous_response_id=first.id)
    else:
        told: Any = [
            {"role": "user", "content": "think Hello, wide world"},
            *(item.model_dump(exclude_none=True) for item in first.output),
            {"role": "user", "content": "recall"},
        ]
        second = client.responses.create(model=relay, input=told, store=False)
    assert second.output_text == "think Hello, wide world"


def test_what_goes_wrong_behind_is_told_in_front(client: openai.OpenAI, relay: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=relay, input="overflow")
    assert caught.value.code == "context_length_exceeded"

    with pytest.raises(openai.APIError, match="of model 'back' reported an error while answering") as broken:
        list(client.responses.create(model=relay, input="reset One two", stream=True))
    assert broken.value.code == "upstream_error"


def test_a_cut_answer_is_incomplete(client: openai.OpenAI, relay: str) -> None:
    cut = client.responses.create(model=relay, input="One two three", max_output_tokens=2)
    assert (cut.status, cut.output_text) == ("incomplete", "One two")
    assert cut.incomplete_details
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_a_refusal_stays_one(client: openai.OpenAI, relay: str) -> None:
    (message,) = client.responses.create(model=relay, input="refuse").output
    assert message.type == "message"
    assert [part.type for part in message.content] == ["refusal"]
