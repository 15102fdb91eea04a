"""Settings become the fields of a chat-completions request; what is unset is not sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google.protobuf.json_format import ParseDict
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.chat_request import chat_body, is_openai
from service.model.model import Prompt

WEATHER = {"function": {"name": "weather", "description": "Tells it.", "parametersJson": '{"type":"object"}'}}


def body(*, streaming: bool = False, openai: bool = False, **settings: Any) -> dict[str, Any]:
    prompt = Prompt("", [], ParseDict(settings, ResponseSettings()), streaming)
    value: dict[str, Any] = orjson.loads(chat_body(prompt, model="m", openai=openai))
    return value


def test_without_settings_only_the_model_and_the_messages_are_sent() -> None:
    assert body() == {"model": "m", "messages": []}


def test_a_stream_always_asks_for_usage() -> None:
    sent = body(streaming=True)
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"temperature": 0.0, "topP": 0.5, "seed": 7}, {"temperature": 0.0, "top_p": 0.5, "seed": 7}),
        ({"maxOutputTokens": 5}, {"max_tokens": 5}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"include": ["message.output_text.logprobs"], "topLogprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"topLogprobs": 3}, {}),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"text": {"verbosity": "high"}}, {"verbosity": "high"}),
        ({"text": {"format": {"text": {}}}}, {}),
        ({"text": {"format": {"jsonObject": {}}}}, {"response_format": {"type": "json_object"}}),
        ({"user": "u", "metadata": {"a": "b"}, "safetyIdentifier": "s"}, {}),
        ({"toolChoice": {"mode": "MODE_REQUIRED"}, "parallelToolCalls": False}, {}),
    ],
)
def test_each_setting_has_its_field(settings: dict[str, Any], sent: dict[str, Any]) -> None:
    assert body(**settings) == {"model": "m", "messages": [], **sent}


def test_a_schema_goes_over_as_it_was_written() -> None:
    form = {"name": "n", "schemaJson": '{"const": 1.10}', "strict": False, "description": "d"}
    assert body(text={"format": {"jsonSchema": form}})["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"const": 1.10}, "strict": False, "description": "d"},
    }


def test_functions_are_shown_and_other_tools_are_not() -> None:
    sent = body(
        tools={"tools": [WEATHER, {"opaque": {"type": "web_search", "json": "{}"}}, {"function": {"name": "now"}}]}
    )
    described = {"name": "weather", "parameters": {"type": "object"}, "description": "Tells it."}
    assert sent["tools"] == [
        {"type": "function", "function": described},
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert "tool_choice" not in sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"mode": "MODE_AUTO"}, "auto"),
        ({"mode": "MODE_NONE"}, "none"),
        ({"mode": "MODE_REQUIRED"}, "required"),
        ({"function": {"name": "weather"}}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_the_tool_choice_goes_over_with_the_tools(choice: dict[str, Any], sent: object) -> None:
    request = body(tools={"tools": [WEATHER]}, toolChoice=choice, parallelToolCalls=False)
    assert (request["tool_choice"], request["parallel_tool_calls"]) == (sent, False)


def test_the_token_limit_has_the_name_that_the_server_knows() -> None:
    assert not is_openai("http://localhost:11434/v1")
    assert is_openai("https://api.openai.com/v1")
    assert is_openai("https://x.openai.azure.com/openai/v1")
    assert not is_openai("https://api.openai.com.example.org/v1")
    assert body(maxOutputTokens=5, openai=True)["max_completion_tokens"] == 5


def test_what_only_openai_knows_is_told_to_nobody_else() -> None:
    asked = {"user": "u", "safetyIdentifier": "s", "promptCacheKey": "p", "serviceTier": "flex"}
    told = {"user": "u", "safety_identifier": "s", "prompt_cache_key": "p", "service_tier": "flex"}
    assert body(openai=True, **asked) == body() | told
    assert body(**asked) == body()
