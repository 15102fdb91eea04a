"""The SDKs' WebSocket clients in front of the whole of Nodexa."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseFunctionToolCall

from tests.rest_bridge.ladder import TERMINAL, check_ladder
from tests.sdk.node_sdk import PROGRAMS, expect_node
from tests.sdk.stack import Stack
from tests.sdk.stories import WEATHER
from tests.sdk.told import deltas
from tests.sdk.wire_check import check_items
from tests.service.cli.served import SECONDS, environment


def ask(connection: Any, **request: Any) -> list[Any]:
    """The events that a request is answered with, checked as a whole."""
    connection.response.create(**request)
    events: list[Any] = []
    while not events or events[-1].type not in {*TERMINAL, "error"}:
        events.append(connection.recv())
    if events[-1].type != "error":
        told = [event.to_dict() for event in events]
        check_ladder(told)
        check_items(told)
    return events


def test_python_goes_on_without_anything_stored(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.connect() as connection:
        (_, _, warmed) = ask(connection, model=assistant, input="My name is Alice.", generate=False)
        assert (warmed.response.output, warmed.response.status) == ([], "completed")
        events = ask(connection, model=assistant, input=[], store=False, previous_response_id=warmed.response.id)
        assert deltas(events) == ["My", " name", " is", " Alice."]
        first = events[-1].response
        again = ask(connection, model=assistant, input="recall", store=False, previous_response_id=first.id)
        assert again[-1].response.output_text == "My name is Alice."
        (refused,) = ask(connection, model=assistant, input="recall", previous_response_id=first.id)
        assert (refused.status, refused.error.code) == (400, "previous_response_not_found")


def test_python_answers_two_calls_of_a_stored_response(client: openai.OpenAI, assistant: str) -> None:
    asked: dict[str, Any] = {"model": assistant, "tools": [WEATHER], "input": "call weather in Paris and Rome"}
    for store in (True, False):
        with client.responses.connect() as connection:
            first = ask(connection, store=store, **asked)[-1].response
            calls = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
            outputs = [
                {"type": "function_call_output", "call_id": call.call_id, "output": json.loads(call.arguments)["city"]}
                for call in calls
            ]
            request = {**asked, "input": outputs, "previous_response_id": first.id}
            assert ask(connection, store=store, **request)[-1].response.output_text == "The tools said: Paris; Rome"


async def test_python_connects_asynchronously_and_is_refused_by_its_key(
    async_client: openai.AsyncOpenAI, assistant: str
) -> None:
    async with async_client.responses.connect() as connection:
        await connection.response.create(model=assistant, input="Hello, wide world")
        while (event := await connection.recv()).type not in TERMINAL:
            pass
        assert event.to_dict()["response"]["output_text"] == "Hello, wide world"  # type: ignore[index]
    stranger = async_client.with_options(api_key="nxk_wrong")
    with pytest.raises(Exception, match="401"):
        async with stranger.responses.connect():
            pass


@pytest.mark.node
def test_node_goes_on_without_anything_stored(stack: Stack, assistant: str) -> None:
    expect_node()
    reached = {"NODEXA_BASE_URL": stack.base_url, "NODEXA_API_KEY": stack.key, "NODEXA_ASSISTANT_ID": assistant}
    done = subprocess.run(
        ["node", "socket.mjs"],
        cwd=PROGRAMS,
        env=environment(**reached),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for events in told["streams"]:
        check_ladder(events)
        check_items(events)
    result = told["result"]
    assert (result["warm"], result["pieces"]) == ([], ["My", " name", " is", " Alice."])
    assert result["again"] == "My name is Alice."
    assert result["refused"]["error"]["code"] == "previous_response_not_found"
