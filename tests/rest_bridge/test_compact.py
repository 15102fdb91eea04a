"""POST /v1/responses/compact, through the real core."""

from __future__ import annotations

from service.model.chunk import TokenUsage
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

PATH = "/v1/responses/compact"


async def test_what_comes_back_goes_in_again(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Alice is here.", usage=TokenUsage(input_tokens=40, output_tokens=5)), says("Yes"))
    async with bridge.http() as http:
        short = (await http.post(PATH, json=bridge.body(max_output_tokens=5))).json()
        items = [*short["output"], {"role": "user", "content": "Go on"}]
        answer = (await http.post("/v1/responses", json=bridge.body(input=items))).json()
    assert (short["object"], short["usage"]["total_tokens"], short["nodexa"]) == (
        "response.compaction",
        45,
        {"ignored": ["max_output_tokens"]},
    )
    assert answer["output_text"] == "Yes"
    assert "Alice is here." in str(core.model.prompts[-1].items)


async def test_a_summary_that_is_missing_is_an_error_of_the_model(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says(""))
    async with bridge.http() as http:
        answer = await http.post(PATH, json=bridge.body())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (502, "invalid_output", None)
    assert "nothing was compacted" in error["message"]


async def test_a_threshold_that_is_too_small_is_named_as_it_was_sent(bridge: BridgeUnderTest) -> None:
    body = bridge.body(context_management=[{"type": "compaction", "compact_threshold": 10}])
    async with bridge.http() as http:
        error = (await http.post("/v1/responses", json=body)).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "context_management[0].compact_threshold")
    assert "at least" in error["message"] or "between" in error["message"]


async def test_the_path_is_no_response_s(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        answer = await http.get(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
