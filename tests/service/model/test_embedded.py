"""The embedded model with its real weights. They are poor: no test asks for wit."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import jsonschema
import pytest
import pytest_asyncio
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.chunk import Chunk, Finish, FinishReason, TextDelta, TokenUsage, text_of
from service.model.directory import open_model
from service.model.model import Model, Prompt
from tests.service.model.chat_client import asking
from tests.service.model.chat_json import STOP, joined

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


def function(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"function": {"name": name, "description": description, "parametersJson": json.dumps(schema)}}


WEATHER = function("weather", "Tells the current weather in a city.", CITY)
ADD = function("add", "Adds two numbers.", NUMBERS)
SCHEMAS = {"weather": CITY, "add": NUMBERS}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[Model]:
    opened = open_model(ModelConfig(name="tiny", kind=ModelConfig.KIND_EMBEDDED), environment=os.environ)
    await opened.warm()
    yield opened
    await opened.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def batches_of(model: Model, prompt: Prompt) -> list[Sequence[Chunk]]:
    async with asyncio.timeout(100):
        return [batch async for batch in model.stream(prompt)]


async def answer(model: Model, prompt: Prompt) -> list[Chunk]:
    return [chunk for batch in await batches_of(model, prompt) for chunk in batch]


async def test_tokens_come_one_after_the_other_and_are_counted(model: Model) -> None:
    batches = await batches_of(model, asking("What is the capital of France?", maxOutputTokens=40))
    assert len(batches) > 3
    assert all(batches)
    usage, finish = batches[-1][-2:]
    assert isinstance(usage, TokenUsage)
    assert usage.input_tokens > 5
    assert 3 < usage.output_tokens <= 40
    assert isinstance(finish, Finish)


COUNTABLE: dict[str, dict[str, Any]] = {
    "words": {},
    "a schema": {"text": {"format": {"jsonSchema": {"name": "n", "schemaJson": json.dumps(CITY)}}}},
    "the one function that must be called": {
        "toolChoice": {"function": {"name": "weather"}},
        "tools": {"tools": [WEATHER, ADD]},
    },
    "functions that must not be called": {"toolChoice": {"mode": "MODE_NONE"}, "tools": {"tools": [WEATHER]}},
}


@pytest.mark.parametrize("settings", COUNTABLE.values(), ids=COUNTABLE)
async def test_a_count_is_what_the_usage_will_say(model: Model, settings: dict[str, Any]) -> None:
    prompt = asking("What is the weather in Paris?", maxOutputTokens=4, **settings)
    counted = await model.count(prompt)
    (usage,) = (chunk for chunk in await answer(model, prompt) if isinstance(chunk, TokenUsage))
    assert counted == usage.input_tokens


async def test_a_prompt_that_is_read_twice_is_not_counted(model: Model) -> None:
    with pytest.raises(NodexaError) as caught:
        await model.count(asking("Hi", tools={"tools": [WEATHER, ADD]}))
    assert (caught.value.code, caught.value.param) == ("tokens_not_countable", "tools")


async def test_the_token_limit_ends_the_answer_with_length(model: Model) -> None:
    chunks = await answer(model, asking("Tell me a long story about a king.", maxOutputTokens=5))
    usage, finish = chunks[-2:]
    assert isinstance(usage, TokenUsage)
    assert (usage.output_tokens, finish) == (5, Finish(FinishReason.LENGTH))


async def test_the_same_seed_gives_the_same_words(model: Model) -> None:
    prompt = asking("Say something.", maxOutputTokens=12, temperature=1.5, seed=7)
    assert text_of(await answer(model, prompt)) == text_of(await answer(model, prompt))


async def test_log_probabilities_come_when_asked_for(model: Model) -> None:
    settings = {"include": ["message.output_text.logprobs"], "topLogprobs": 2}
    chunks = await answer(model, asking("Hi", maxOutputTokens=4, **settings))
    logprobs = [each for chunk in chunks if isinstance(chunk, TextDelta) for each in chunk.logprobs]
    assert "".join(each.token for each in logprobs) == text_of(chunks)
    assert all(each.logprob <= 0 and len(each.top_logprobs) == 2 for each in logprobs)


async def test_a_schema_is_obeyed(model: Model) -> None:
    text = {"format": {"jsonSchema": {"name": "sum", "schemaJson": json.dumps(NUMBERS)}}}
    chunks = await answer(model, asking("Add one and two.", text=text))
    jsonschema.validate(json.loads(text_of(chunks)), NUMBERS)
    assert chunks[-1] == STOP


@pytest.mark.parametrize(
    ("choice", "tools", "names"),
    [
        ({"function": {"name": "add"}}, [WEATHER, ADD], {"add"}),
        ({"mode": "MODE_REQUIRED"}, [WEATHER], {"weather"}),
        ({"mode": "MODE_REQUIRED"}, [WEATHER, ADD], {"weather", "add"}),
    ],
)
async def test_a_call_that_is_asked_for_comes_and_obeys_its_schema(
    model: Model, choice: dict[str, Any], tools: list[dict[str, Any]], names: set[str]
) -> None:
    prompt = asking("What is the weather in Paris?", toolChoice=choice, tools={"tools": tools})
    chunks = await answer(model, prompt)
    ((name, _, arguments),) = joined(chunks).values()
    assert name in names
    jsonschema.validate(json.loads(arguments), SCHEMAS[name])
    assert chunks[-1] == STOP
    assert not text_of(chunks)


async def test_left_to_itself_the_model_calls_or_answers(model: Model) -> None:
    chunks = await answer(
        model, asking("What is the weather in Paris?", tools={"tools": [WEATHER, ADD]}, maxOutputTokens=60)
    )
    calls = joined(chunks)
    assert bool(calls) != bool(text_of(chunks))
    assert all(name in SCHEMAS for name, _, _ in calls.values())
    assert sum(isinstance(chunk, TokenUsage) for chunk in chunks) == 1


async def test_without_leave_to_call_there_is_no_call(model: Model) -> None:
    settings = {"toolChoice": {"mode": "MODE_NONE"}, "tools": {"tools": [WEATHER]}, "maxOutputTokens": 10}
    chunks = await answer(model, asking("What is the weather in Paris?", **settings))
    assert not joined(chunks)
    assert text_of(chunks)


async def test_arguments_that_the_limit_cuts_end_with_length(model: Model) -> None:
    settings = {"toolChoice": {"function": {"name": "weather"}}, "tools": {"tools": [WEATHER]}, "maxOutputTokens": 3}
    chunks = await answer(model, asking("What is the weather in Paris?", **settings))
    assert chunks[-1] == Finish(FinishReason.LENGTH)


async def test_closing_the_generator_frees_the_model_for_others(model: Model) -> None:
    streams = [model.stream(asking("Tell me a very long story.", seed=n)) for n in range(2)]
    async with asyncio.timeout(60):
        for stream in streams:
            await anext(stream)
        for stream in streams:
            await stream.aclose()
    assert text_of(await answer(model, asking("Hi", maxOutputTokens=3)))


async def test_more_turns_than_slots_are_all_answered(model: Model) -> None:
    answers = await asyncio.gather(*(answer(model, asking(f"Count to {n}.", maxOutputTokens=5)) for n in range(9)))
    assert all(text_of(each) for each in answers)


async def test_a_conversation_that_is_too_long_is_refused(model: Model) -> None:
    with pytest.raises(NodexaError) as caught:
        await answer(model, asking("word " * 5000))
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


@pytest.mark.parametrize(
    ("settings", "code", "param"),
    [
        (
            {"toolChoice": {"mode": "MODE_REQUIRED"}, "tools": {"tools": [function("f", "", {"type": "odd"})]}},
            "invalid_tool_schema",
            "tools",
        ),
        (
            {"text": {"format": {"jsonSchema": {"name": "n", "schemaJson": '{"type": "odd"}'}}}},
            "invalid_request",
            "text.format.schema",
        ),
    ],
)
async def test_a_schema_that_can_not_be_kept_is_refused_by_name(
    model: Model, settings: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(NodexaError) as caught:
        await answer(model, asking("Hi", **settings))
    assert (caught.value.code, caught.value.param) == (code, param)


async def test_an_input_without_anything_to_read_is_refused(model: Model) -> None:
    with pytest.raises(NodexaError) as caught:
        await answer(model, Prompt("", [], asking("x").settings))
    assert caught.value.code == "input_not_supported_for_model"


async def test_a_custom_tool_is_called_as_a_function_of_one_text(model: Model) -> None:
    settings = {
        "tools": {"tools": [{"custom": {"name": "shell", "description": "Runs a command."}}, WEATHER]},
        "toolChoice": {"custom": {"name": "shell"}},
        "temperature": 0,
        "maxOutputTokens": 24,
    }

    ((name, _, arguments),) = joined(await answer(model, asking("List the files.", **settings))).values()

    assert name == "shell"
    assert re.match(r'\s*\{\s*"input"\s*:\s*"', arguments)
