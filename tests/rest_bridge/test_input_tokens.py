"""POST /v1/responses/input_tokens, through the real core."""

from __future__ import annotations

import pytest

from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

PATH = "/v1/responses/input_tokens"


async def test_the_sdk_gets_the_number(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.tokens = 17
    async with bridge.sdk() as client:
        counted = await client.responses.input_tokens.count(
            model=bridge.assistant_id, input="Hello", instructions="Be."
        )
    assert (counted.object, counted.input_tokens) == ("response.input_tokens", 17)
    assert core.model.counted[0].instructions.endswith("Be.")


async def test_what_has_no_effect_on_a_count_is_named(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.tokens = 17
    async with bridge.http() as http:
        answer = await http.post(PATH, json=bridge.body(personality="friendly", tools=[{"type": "local_shell"}]))
    assert answer.json()["nodexa"] == {"ignored": ["personality", "tools[0]"]}


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({}, "tokens_not_countable", "model"),
        ({"stream": True}, "invalid_request", "stream"),
        ({"input": None}, "missing_required_field", "input"),
        ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
    ],
    ids=["by that model", "a stream", "no input", "a prompt"],
)
async def test_what_can_not_be_counted_is_refused(
    bridge: BridgeUnderTest, more: dict[str, object], code: str, param: str
) -> None:
    async with bridge.http() as http:
        answer = await http.post(PATH, json=bridge.body(**more))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_the_path_is_no_response_s(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        answer = await http.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
