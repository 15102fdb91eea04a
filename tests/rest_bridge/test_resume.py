"""A response begun on one transport goes on on any other, from any number on, without a gap and without a seam."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from nodexa.v1.response_service_pb2 import WatchResponseRequest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest, events_in
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.rest_bridge.socket_client import opened, told

WORDS = [f"word {number} " for number in range(20)]


async def replay(http: httpx.AsyncClient, response_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await http.get(f"/v1/responses/{response_id}", params={"stream": "true", **query})
    return events_of(answer.content)


def resume(response_id: object, **more: object) -> str:
    return json.dumps({"type": "response.resume", "response_id": response_id, **more})


async def test_a_stream_is_taken_up_on_another_transport_twice(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    core.model.add([[TextDelta("one ")], gates[0], [TextDelta("two ")], gates[1], [TextDelta("three"), STOP]])
    seen: list[dict[str, Any]] = []
    async with bridge.http() as http, http.stream("POST", "/v1/responses", json=bridge.body(stream=True)) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
                if seen[-1].get("delta") == "one ":
                    break
    response_id = seen[0]["response"]["id"]
    async with opened(bridge) as socket:
        await socket.send(resume(response_id, starting_after=seen[-1]["sequence_number"]))
        gates[0].set()
        while seen[-1].get("delta") != "two ":
            seen.append(json.loads(await socket.recv()))
    request = WatchResponseRequest(id=response_id, starting_after=seen[-1]["sequence_number"])
    watching = core.responses.WatchResponse(request, metadata=core.metadata())
    gates[1].set()
    rest = events_in([batch async for batch in watching])

    async with bridge.http() as http:
        whole = await replay(http, response_id)
    assert check_ladder(whole)["output_text"] == "one two three"
    assert seen == whole[: len(seen)]
    assert [event.sequence_number for event in rest] == [event["sequence_number"] for event in whole[len(seen) :]]


async def test_a_socket_gets_the_rest_from_every_number(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([*([TextDelta(word)] for word in WORDS), [STOP]])
    async with bridge.http() as http:
        made = (await http.post("/v1/responses", json=bridge.body())).json()
        whole = await replay(http, made["id"])
    async with opened(bridge) as socket:
        await socket.send(resume(made["id"]))
        assert await told(socket) == whole
        for number in range(len(whole) - 1):
            await socket.send(resume(made["id"], starting_after=number))
            assert await told(socket) == whole[number + 1 :]


async def test_a_socket_that_resumed_can_create_again(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("One"), says("Two"))
    async with bridge.http() as http:
        made = (await http.post("/v1/responses", json=bridge.body())).json()
    async with opened(bridge) as socket:
        await socket.send(resume(made["id"]))
        await told(socket)
        await socket.send(json.dumps({"type": "response.create", **bridge.body(previous_response_id=made["id"])}))
        assert check_ladder(await told(socket))["output_text"] == "Two"


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        (resume("resp_none"), "response_not_found", "id"),
        (resume(None), "missing_required_field", "response_id"),
        (resume(5), "invalid_request", "response_id"),
        (resume("resp_none", starting_after=-1), "invalid_request", "starting_after"),
        (resume("resp_none", starting_after="1"), "invalid_request", "starting_after"),
        (resume("resp_none", from_the_start=True), "invalid_request", "from_the_start"),
    ],
)
async def test_what_can_not_be_resumed_is_refused_and_the_socket_lives(
    bridge: BridgeUnderTest, core: CoreUnderTest, message: str, code: str, param: str
) -> None:
    core.model.add(says("Fine."))
    async with opened(bridge) as socket:
        await socket.send(message)
        (refusal,) = await told(socket)
        assert (refusal["error"]["code"], refusal["error"]["param"]) == (code, param)
        await socket.send(json.dumps({"type": "response.create", **bridge.body()}))
        assert check_ladder(await told(socket))["output_text"] == "Fine."
