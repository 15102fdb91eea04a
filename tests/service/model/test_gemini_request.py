"""Settings become the configuration of a Gemini request, and Google's SDK takes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from nodexa.v1.item_pb2 import FunctionCall, FunctionCallOutput, Item

from service.errors import NodexaError
from service.model.gemini_model import HEEDS
from service.model.gemini_request import gemini_request
from service.model.model import PASSED_ON
from tests.fakes.gemini_server import GeminiServer, says
from tests.service.model.chat_client import answer, asking
from tests.service.model.gemini_client import gemini_on

SCHEMA = '{"type":"object","properties":{"a_city":{"type":"string"}},"additionalProperties":false}'
WEATHER = {"function": {"name": "weather", "description": "Looks.", "parametersJson": SCHEMA, "strict": True}}
SHELL = {"custom": {"name": "shell", "description": "Runs."}}
TOOLS = {"tools": [WEATHER, SHELL, {"opaque": {"type": "web_search", "json": "{}"}}]}


def config(model: str = "gemini-3-pro", **settings: Any) -> dict[str, Any]:
    made = gemini_request(asking("Hi", **settings), model=model).config
    assert made.pop("automatic_function_calling") == {"disable": True}
    return made


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {}),
        ({"temperature": 0.5, "topP": 0.25}, {"temperature": 0.5, "top_p": 0.25}),
        ({"maxOutputTokens": 7}, {"max_output_tokens": 7}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"seed": 5}, {"seed": 5}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"seed": -1}, {"seed": 2**31 - 1}),
        ({"topLogprobs": 3}, {}),
        ({"include": ["message.output_text.logprobs"]}, {"response_logprobs": True}),
        (
            {"include": ["message.output_text.logprobs"], "topLogprobs": 3},
            {"response_logprobs": True, "logprobs": 3},
        ),
        ({"text": {"format": {"text": {}}}}, {}),
        ({"text": {"format": {"jsonObject": {}}}}, {"response_mime_type": "application/json"}),
        (
            {"text": {"format": {"jsonSchema": {"name": "n", "schemaJson": '{"type":"object"}', "strict": True}}}},
            {"response_mime_type": "application/json", "response_json_schema": {"type": "object"}},
        ),
        ({"reasoning": {"summary": "auto"}}, {"thinking_config": {"include_thoughts": True}}),
        ({"reasoning": {"effort": "none"}}, {"thinking_config": {"thinking_budget": 0}}),
        ({"reasoning": {"effort": "minimal"}}, {"thinking_config": {"thinking_level": "MINIMAL"}}),
        ({"reasoning": {"effort": "xhigh"}}, {"thinking_config": {"thinking_level": "XHIGH"}}),
        ({"serviceTier": "auto"}, {}),
        ({"serviceTier": "default"}, {"service_tier": "standard"}),
        ({"serviceTier": "flex"}, {"service_tier": "flex"}),
        ({"toolChoice": {"mode": "MODE_REQUIRED"}}, {}),
    ],
)
def test_each_setting_has_its_field(settings: dict[str, Any], told: dict[str, Any]) -> None:
    assert config(**settings) == told


@pytest.mark.parametrize(
    ("effort", "budget"), [("none", 0), ("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24576)]
)
@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-pro"])
def test_older_models_are_told_a_budget(model: str, effort: str, budget: int) -> None:
    assert config(model, reasoning={"effort": effort}) == {"thinking_config": {"thinking_budget": budget}}


@pytest.mark.parametrize(("model", "marked"), [("gemini-2.5-flash", False), ("gemini-3-pro", True)])
def test_calls_of_other_models_are_marked_where_calls_must_be_signed(model: str, *, marked: bool) -> None:
    call = Item(function_call=FunctionCall(call_id="a", name="f"))
    output = Item(function_call_output=FunctionCallOutput(call_id="a", text="x"))
    prompt = replace(asking("Hi"), items=[*asking("Hi").items, call, output])
    part = gemini_request(prompt, model=model).contents[1]["parts"][0]
    assert ("thought_signature" in part) is marked


def test_a_tier_that_google_has_not_is_refused() -> None:
    with pytest.raises(NodexaError) as caught:
        config(serviceTier="scale")
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "service_tier")


def test_tools_of_every_kind_are_shown_as_functions() -> None:
    (tool,) = config(tools=TOOLS)["tools"]
    weather, shell = tool["function_declarations"]
    assert weather["description"] == "Looks."
    assert weather["parameters_json_schema"]["properties"] == {"a_city": {"type": "string"}}
    assert shell["name"] == "shell"
    assert list(shell["parameters_json_schema"]["properties"]) == ["input"]


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ({"mode": "MODE_AUTO"}, {"mode": "AUTO"}),
        ({"mode": "MODE_NONE"}, {"mode": "NONE"}),
        ({"mode": "MODE_REQUIRED"}, {"mode": "ANY"}),
        ({"function": {"name": "weather"}}, {"mode": "ANY", "allowed_function_names": ["weather"]}),
        ({"custom": {"name": "shell"}}, {"mode": "ANY", "allowed_function_names": ["shell"]}),
        ({"allowedTools": {"mode": "MODE_REQUIRED", "tools": [{"function": {"name": "weather"}}]}}, {"mode": "ANY"}),
    ],
)
def test_each_choice_has_its_mode(choice: dict[str, Any], calling: dict[str, Any]) -> None:
    told = config(tools=TOOLS, toolChoice=choice)
    assert told["tool_config"] == {"function_calling_config": calling}
    count = 1 if "allowedTools" in choice else 2
    assert len(told["tools"][0]["function_declarations"]) == count


def test_what_has_an_effect_is_said_to_have_one() -> None:
    settings = {
        "temperature": {"temperature": 0.5},
        "top_p": {"topP": 0.5},
        "top_logprobs": {"topLogprobs": 2, "include": ["message.output_text.logprobs"]},
        "stop": {"stop": ["a"]},
        "seed": {"seed": 1},
        "parallel_tool_calls": {"parallelToolCalls": False},
        "text.verbosity": {"text": {"verbosity": "low"}},
        "reasoning.effort": {"reasoning": {"effort": "low"}},
        "reasoning.summary": {"reasoning": {"summary": "auto"}},
        "user": {"user": "u"},
        "safety_identifier": {"safetyIdentifier": "s"},
        "prompt_cache_key": {"promptCacheKey": "k"},
        "service_tier": {"serviceTier": "flex"},
    }
    assert set(settings) == PASSED_ON
    assert {path for path, each in settings.items() if config(**each)} == HEEDS


async def test_google_s_sdk_takes_all_of_it() -> None:
    prompt = asking(
        "Hi",
        tools=TOOLS,
        toolChoice={"function": {"name": "weather"}},
        temperature=0.5,
        maxOutputTokens=9,
        stop=["x"],
        seed=3,
        include=["message.output_text.logprobs"],
        topLogprobs=2,
        reasoning={"effort": "low", "summary": "auto"},
        serviceTier="flex",
        text={"format": {"jsonSchema": {"name": "n", "schemaJson": SCHEMA}}},
    )
    async with GeminiServer() as server:
        server.turns.append(says("{}"))
        await answer(gemini_on(server.url), prompt)
    body = server.requests[0].body
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    assert body["serviceTier"] == "flex"
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "seed": 3,
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {
            "type": "object",
            "properties": {"a_city": {"type": "string"}},
            "additionalProperties": False,
        },
        "thinkingConfig": {"include_thoughts": True, "thinking_level": "LOW"},
    }
