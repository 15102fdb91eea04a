"""Responses over HTTP, through the real core."""

from __future__ import annotations

import asyncio

import pytest
from nodexa.v1.item_pb2 import TokenLogprob

from service.errors import NodexaError
from service.model.chunk import Finish, FinishReason, ReasoningDelta, RefusalDelta, TextDelta, TokenUsage
from service.model.scripted import STOP, Step, calls, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import check_ladder, events_of

TOOLS = [{"type": "function", "name": "add", "parameters": {"type": "object"}}]


async def test_a_request_is_answered_with_the_whole_object(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello there", usage=TokenUsage(5, 2)))
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body())
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (body["status"], body["output_text"], body["usage"]["total_tokens"]) == ("completed", "Hello there", 7)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_under_another_spelling_is_read(bridge: BridgeUnderTest, core: CoreUnderTest, kind: str) -> None:
    core.model.add(says("Hello"))
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(), headers={"content-type": kind})
    assert answer.status_code == 200


STORIES: dict[str, list[Step]] = {
    "text": says("Hello there, you", usage=TokenUsage(5, 3)),
    "reasoning, then text": [[ReasoningDelta("hm"), ReasoningDelta("!")], [TextDelta("So."), STOP]],
    "a refusal": [[RefusalDelta("No"), RefusalDelta("."), STOP]],
    "two calls": calls(("add", '{"a":1}'), ("add", '{"a":2}')),
    "text and calls": [[TextDelta("Let me see.")], *calls(("add", "{}"))],
    "nothing": [[STOP]],
    "a cut": [[TextDelta("Once upon")], [Finish(FinishReason.LENGTH)]],
    "a failure after output": [[TextDelta("Once")], NodexaError("upstream_timeout", "The model server is too slow.")],
    "a failure before output": [NodexaError("upstream_error", "The model server failed.")],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
async def test_every_stream_keeps_the_ladder(bridge: BridgeUnderTest, core: CoreUnderTest, story: list[Step]) -> None:
    core.model.add(story)
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=True, tools=TOOLS))
        final = check_ladder(events_of(answer.content))
        stored = await http.get(f"/v1/responses/{final['id']}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert stored.json() == final


async def test_every_resumed_stream_is_exactly_the_rest(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(STORIES["text and calls"])
    async with bridge.http() as http:
        whole = (await http.post("/v1/responses", json=bridge.body(stream=True, tools=TOOLS))).content
        events = events_of(whole)
        path = f"/v1/responses/{events[0]['response']['id']}"
        frames = whole.split(b"\n\n")
        assert (await http.get(path, params={"stream": "true"})).content == whole
        for number in range(len(events)):
            rest = await http.get(path, params={"stream": "true", "starting_after": number})
            assert rest.content == b"\n\n".join(frames[number + 1 :])


async def test_a_stream_can_be_resumed_while_it_runs(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    gate = asyncio.Event()
    core.model.add([[TextDelta("Once")], gate, [TextDelta(" more"), STOP]])
    async with bridge.http() as http, http.stream("POST", "/v1/responses", json=bridge.body(stream=True)) as first:
        lines = first.aiter_lines()
        async for line in lines:
            if '"delta":"Once"' in line:
                break
        response_id = (await http.get("/v1/responses")).json()["data"][0]["id"]
        resumed = asyncio.create_task(http.get(f"/v1/responses/{response_id}?stream=true&starting_after=0"))
        gate.set()
        assert events_of((await resumed).content)[-1]["response"]["output_text"] == "Once more"
        assert [line async for line in lines if "response.completed" in line]


async def test_a_conversation_goes_on_where_it_was(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("add", '{"a":1}'), ("add", '{"a":2}')), says("Three"))
    async with bridge.http() as http:
        asked = (await http.post("/v1/responses", json=bridge.body(tools=TOOLS))).json()
        outputs = [
            {"type": "function_call_output", "call_id": call["call_id"], "output": call["arguments"]}
            for call in reversed(asked["output"])
        ]
        body = bridge.body(input=outputs, previous_response_id=asked["id"])
        told = (await http.post("/v1/responses", json=body)).json()
    assert asked["status"] == "requires_action"
    assert (told["status"], told["output_text"]) == ("completed", "Three")
    assert told["previous_response_id"] == asked["id"]


async def test_clients_that_would_lose_calls_are_told_completed(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("add", "{}")), calls(("add", "{}")))
    helper = {"x-stainless-helper-method": "stream"}
    async with bridge.http() as http:
        asked = await http.post("/v1/responses", json=bridge.body(tools=TOOLS), headers=helper)
        streamed = await http.post("/v1/responses", json=bridge.body(tools=TOOLS, stream=True), headers=helper)
        truth = await http.get(f"/v1/responses/{asked.json()['id']}")
    assert asked.json()["status"] == "completed"
    assert events_of(streamed.content)[-1]["response"]["status"] == "completed"
    assert truth.json()["status"] == "requires_action"


async def test_a_background_response_answers_at_once_and_can_be_fetched(
    bridge: BridgeUnderTest, core: CoreUnderTest
) -> None:
    gate = asyncio.Event()
    core.model.add([gate, *says("Done")])
    async with bridge.http() as http:
        started = (await http.post("/v1/responses", json=bridge.body(background=True))).json()
        gate.set()
        events = events_of((await http.get(f"/v1/responses/{started['id']}?stream=true")).content)
    assert started["status"] in ("queued", "in_progress")
    assert started["background"] is True
    assert check_ladder(events)["output_text"] == "Done"


async def test_cancelling_ends_a_response_and_its_stream_once(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Once")], asyncio.Event()])
    async with bridge.http() as http:
        started = (await http.post("/v1/responses", json=bridge.body(background=True))).json()
        path = f"/v1/responses/{started['id']}"
        watching = asyncio.create_task(http.get(path, params={"stream": "true"}))
        cancelled = await http.post(f"{path}/cancel")
        again = await http.post(f"{path}/cancel")
        events = events_of((await watching).content)
    assert cancelled.json()["status"] == "cancelled"
    assert again.json() == cancelled.json()
    assert (events[-1]["type"], events[-1]["response"]["status"]) == ("response.incomplete", "cancelled")


async def test_a_deleted_response_is_gone(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    async with bridge.http() as http:
        made = (await http.post("/v1/responses", json=bridge.body())).json()
        path = f"/v1/responses/{made['id']}"
        deleted = await http.delete(path)
        assert deleted.json() == {"id": made["id"], "object": "response", "deleted": True}
        for answer in (await http.get(path), await http.delete(path), await http.post(f"{path}/cancel")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "response_not_found")
        streamed = await http.get(path, params={"stream": "true"})
        assert (streamed.status_code, streamed.json()["error"]["code"]) == (404, "response_not_found")


async def test_input_items_are_listed_in_pages_and_both_orders(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    said = [{"role": "user", "content": text} for text in "abc"]
    async with bridge.http() as http:
        made = (await http.post("/v1/responses", json=bridge.body(input=said))).json()
        path = f"/v1/responses/{made['id']}/input_items"
        newest = (await http.get(path)).json()
        first = (await http.get(path, params={"order": "asc", "limit": 2})).json()
        second = (await http.get(path, params={"order": "asc", "limit": 2, "after": first["last_id"]})).json()
    assert [item["content"][0]["text"] for item in newest["data"]] == ["c", "b", "a"]
    assert [item["content"][0]["text"] for item in first["data"] + second["data"]] == ["a", "b", "c"]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert (first["first_id"], first["last_id"]) == (first["data"][0]["id"], first["data"][1]["id"])


async def test_responses_are_listed_the_newest_first(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("a"), says("b"), says("c"))
    async with bridge.http() as http:
        for _ in range(3):
            await http.post("/v1/responses", json=bridge.body())
        first = (await http.get("/v1/responses", params={"limit": 2})).json()
        second = (await http.get("/v1/responses", params={"limit": 2, "after": first["last_id"]})).json()
    assert [found["output_text"] for found in first["data"]] == ["c", "b"]
    assert [found["output_text"] for found in second["data"]] == ["a"]
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_models_are_the_callers_assistants(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        listed = (await http.get("/v1/models")).json()
        one = (await http.get(f"/v1/models/{bridge.assistant_id}")).json()
        other = await http.get("/v1/models/gpt-4")
    assert [model["id"] for model in listed["data"]] == [bridge.assistant_id]
    assert listed["data"] == [one]
    assert (one["object"], one["owned_by"]) == ("model", "nodexa")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "assistant_not_found")


async def test_what_has_no_effect_is_listed_on_the_response(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    body = bridge.body(made_up=1, moderation={}, tools=[{"type": "local_shell"}])
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=body)
    assert answer.json()["nodexa"]["ignored"] == ["made_up", "moderation", "tools[0]"]


async def test_text_is_kept_exactly_as_sent(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    text = "\u202eab\x00\u2028\x85\r\n\r\ndata: [DONE]\n\n\U0001f600"
    core.model.add([[TextDelta(text), STOP]])
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(input=text, stream=True))
        final = check_ladder(events_of(answer.content))
        items = (await http.get(f"/v1/responses/{final['id']}/input_items")).json()
    assert final["output_text"] == text
    assert items["data"][0]["content"][0]["text"] == text


@pytest.mark.parametrize("include", [[], ["message.output_text.logprobs"]], ids=["unasked", "asked"])
async def test_log_probabilities_are_told_to_who_asks_and_to_nobody_else(
    bridge: BridgeUnderTest, core: CoreUnderTest, include: list[str]
) -> None:
    core.model.add([[TextDelta("A", (TokenLogprob(token="A", token_bytes=b"A", logprob=-0.5),)), STOP]])
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=True, include=include))
    told = [token for event in events_of(answer.content) for token in event.get("logprobs", ())]
    final = check_ladder(events_of(answer.content))
    assert [len(told), len(final["output"][0]["content"][0]["logprobs"])] == ([2, 1] if include else [0, 0])
