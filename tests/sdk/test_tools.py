"""Function calling through the Python SDK: several calls at once, their outputs in any order, and who is told what."""

from __future__ import annotations

import json
from typing import Any, Final

import openai
import pytest
from openai.types.responses import FunctionToolParam, ResponseFunctionToolCall
from openai.types.responses.response_input_param import FunctionCallOutput
from pydantic import BaseModel

from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS, WEATHER
from tests.sdk.told import ended

ASKED: Final = "call weather in Paris and Rome"
ANSWERED: Final = "The tools said: 21 degrees in Paris; 22 degrees in Rome"


class Weather(BaseModel):
    """The weather of a city."""

    city: str


def calls_of(output: list[Any]) -> list[ResponseFunctionToolCall]:
    """The calls among the items."""
    return [item for item in output if item.type == "function_call"]


def cities(output: list[Any]) -> list[tuple[str, Any]]:
    """The name and the argument of each call."""
    return [(call.name, json.loads(call.arguments)["city"]) for call in calls_of(output)]


def outputs_reversed(output: list[Any]) -> list[FunctionCallOutput]:
    """An output for each call, the last call's first."""
    degrees = {"Paris": "21 degrees in Paris", "Rome": "22 degrees in Rome"}
    return [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": degrees[json.loads(call.arguments)["city"]],
        }
        for call in reversed(calls_of(output))
    ]


def test_two_calls_are_answered_in_the_next_turn(client: openai.OpenAI, assistant: str) -> None:
    asked = client.responses.create(model=assistant, input=ASKED, tools=TOOLS)
    assert str(asked.status) == "requires_action"
    assert cities(asked.output) == [("weather", "Paris"), ("weather", "Rome")]
    answered = client.responses.create(
        model=assistant, input=outputs_reversed(asked.output), previous_response_id=asked.id, tools=TOOLS
    )
    assert (answered.status, answered.output_text) == ("completed", ANSWERED)


def test_two_streamed_calls_are_answered_in_a_streamed_turn(client: openai.OpenAI, assistant: str) -> None:
    events = list(client.responses.create(model=assistant, input=ASKED, tools=TOOLS, stream=True))
    asked = ended(events)
    assert str(asked.status) == "requires_action"
    assert cities(asked.output) == [("weather", "Paris"), ("weather", "Rome")]
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [event.arguments for event in done] == [call.arguments for call in calls_of(asked.output)]
    pieces = [event.output_index for event in events if event.type == "response.function_call_arguments.delta"]
    assert pieces == sorted(pieces), "the calls should have been told one after the other, though the server mixes them"
    stream = client.responses.create(
        model=assistant,
        input=outputs_reversed(asked.output),
        previous_response_id=asked.id,
        tools=TOOLS,
        stream=True,
    )
    answered = ended(stream)
    assert (answered.status, answered.output_text) == ("completed", ANSWERED)


def test_the_stream_helper_gathers_both_calls(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input=ASKED, tools=TOOLS) as stream:
        asked = stream.get_final_response()
    assert cities(asked.output) == [("weather", "Paris"), ("weather", "Rome")]
    with client.responses.stream(
        model=assistant, input=outputs_reversed(asked.output), previous_response_id=asked.id
    ) as stream:
        assert stream.get_final_response().output_text == ANSWERED


async def test_the_asynchronous_client_gets_both_calls(async_client: openai.AsyncOpenAI, assistant: str) -> None:
    async with async_client.responses.stream(model=assistant, input=ASKED, tools=TOOLS) as stream:
        asked = await stream.get_final_response()
    answered = await async_client.responses.create(
        model=assistant, input=outputs_reversed(asked.output), previous_response_id=asked.id
    )
    assert answered.output_text == ANSWERED


def test_calls_can_be_answered_after_a_restart_of_everything(
    client: openai.OpenAI, assistant: str, stack: Stack
) -> None:
    asked = client.responses.create(model=assistant, input=ASKED, tools=TOOLS)
    stack.restart()
    answered = client.responses.create(
        model=assistant, input=outputs_reversed(asked.output), previous_response_id=asked.id
    )
    assert answered.output_text == ANSWERED


def test_calls_and_outputs_reach_the_model_in_pairs(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    asked = client.responses.create(model=assistant, input="call weather in Paris and Rome, again", tools=TOOLS)
    items = outputs_reversed(asked.output[:2])
    third = calls_of(asked.output)[2]
    items.append({"type": "function_call_output", "call_id": third.call_id, "output": "again"})
    client.responses.create(model=assistant, input=items, previous_response_id=asked.id, tools=TOOLS)
    messages = stack.asked("call weather in Paris and Rome, again")[-1]["messages"]
    told = [(each["tool_call_id"], each["content"]) for each in messages if each["role"] == "tool"]
    assert told == [
        (call["id"], degrees)
        for call, degrees in zip(
            messages[1]["tool_calls"], ["21 degrees in Paris", "22 degrees in Rome", "again"], strict=True
        )
    ]


def test_pydantic_tools_come_back_as_models(client: openai.OpenAI, assistant: str) -> None:
    tools = [openai.pydantic_function_tool(Weather)]
    with client.responses.stream(model=assistant, input=ASKED, tools=tools) as stream:
        streamed = stream.get_final_response()
    parsed = client.responses.parse(model=assistant, input=ASKED, tools=tools)
    for response in (streamed, parsed):
        assert str(response.status) == "requires_action"
        found = [item.parsed_arguments for item in response.output if item.type == "function_call"]
        assert found == [Weather(city="Paris"), Weather(city="Rome")]


@pytest.mark.parametrize(
    ("choice", "names"),
    [("required", ["weather"]), ({"type": "function", "name": "time"}, ["time"]), ("none", []), ("auto", [])],
    ids=["required", "named", "none", "auto"],
)
def test_the_tool_choice_decides_who_calls(
    client: openai.OpenAI, assistant: str, choice: Any, names: list[str]
) -> None:
    response = client.responses.create(model=assistant, input="The weather in Paris", tools=TOOLS, tool_choice=choice)
    assert [call.name for call in calls_of(response.output)] == names
    assert (response.output_text == "") is bool(names)


def test_one_call_at_a_time_where_that_is_asked(client: openai.OpenAI, assistant: str) -> None:
    response = client.responses.create(model=assistant, input=ASKED, tools=TOOLS, parallel_tool_calls=False)
    assert cities(response.output) == [("weather", "Paris")]
    assert response.parallel_tool_calls is False


@pytest.mark.parametrize(
    ("headers", "strict", "status"),
    [
        ({}, True, "requires_action"),
        ({"x-stainless-lang": "js"}, False, "requires_action"),
        ({"x-stainless-lang": "js"}, True, "completed"),
        ({"x-stainless-helper-method": "stream"}, False, "completed"),
    ],
    ids=["python", "js", "js with a strict tool", "a stream helper that says so"],
)
def test_only_clients_that_would_lose_calls_are_told_completed(
    client: openai.OpenAI, assistant: str, headers: dict[str, str], *, strict: bool, status: str
) -> None:
    tool: FunctionToolParam = {**WEATHER, "strict": strict}
    response = client.responses.create(model=assistant, input=ASKED, tools=[tool], extra_headers=headers)
    stream = client.responses.create(model=assistant, input=ASKED, tools=[tool], stream=True, extra_headers=headers)
    assert [str(response.status), str(ended(stream).status)] == [status, status]
    assert str(client.responses.retrieve(response.id).status) == "requires_action"
