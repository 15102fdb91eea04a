"""A core that is lost in mid-stream, comes back, or does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from rest_bridge.settings import Settings
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.fake_core import PLAIN, RESPONSE_ID, Story, events, refuses, serving_fake, tells, waits
from tests.rest_bridge.ladder import events_of

LOST = grpc.StatusCode.UNAVAILABLE
WHOLE = list(range(10))


@pytest.fixture(params=["/core.sock", PLAIN], ids=["one connection", "plain calls"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"unix:{tmp_path}{request.param}"


@pytest.fixture
async def bridge(address: str, bridge_settings: Settings) -> AsyncIterator[BridgeUnderTest]:
    async with running_bridge(address, bridge_settings, key="nxk_1", assistant_id="asst_1") as running:
        yield running


async def stream(bridge: BridgeUnderTest) -> httpx.Response:
    await bridge.reach()
    async with bridge.http() as http:
        return await http.post("/v1/responses", json=bridge.body(stream=True))


def numbers(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [event["sequence_number"] for event in events_of(answer.content)]


@pytest.mark.parametrize(
    "cut",
    [
        tells(events(0, 4), then=refuses(LOST)),
        tells(events(0, 4), then=refuses(LOST, "server_draining")),
        tells(events(0, 4), then=refuses(grpc.StatusCode.CANCELLED)),
        tells(events(0, 0), events(1, 4)),
    ],
    ids=["a broken connection", "a drain", "a cancellation", "an end without an end"],
)
async def test_a_stream_that_breaks_goes_on_without_a_gap(bridge: BridgeUnderTest, address: str, cut: Story) -> None:
    async with serving_fake(address, cut, tells(events(5, 9))) as core:
        assert numbers(await stream(bridge)) == WHOLE
        assert (core.calls[1].id, core.calls[1].starting_after) == (RESPONSE_ID, 4)


async def test_a_stream_survives_several_losses(bridge: BridgeUnderTest, address: str) -> None:
    stories = [
        tells(events(0, 1), then=refuses(LOST)),
        tells(then=refuses(LOST)),
        tells(events(2, 5)),
        tells(events(6, 9)),
    ]
    async with serving_fake(address, *stories):
        assert numbers(await stream(bridge)) == WHOLE


async def test_a_stream_survives_the_death_of_its_core(bridge: BridgeUnderTest, address: str) -> None:
    async with asyncio.timeout(20):
        async with serving_fake(address, tells(events(0, 3), then=waits)) as core:
            streaming = asyncio.create_task(stream(bridge))
            await core.called.wait()
        async with serving_fake(address, tells(events(0, 9)), tells(events(0, 9))):
            answer = await streaming
    # Killed before or after its first events: either is told to the end, or refused.
    assert answer.status_code == 503 or numbers(answer)[-1] == 9


async def test_a_watched_response_goes_on_without_a_gap(bridge: BridgeUnderTest, address: str) -> None:
    async with serving_fake(address, tells(events(3, 4), then=refuses(LOST)), tells(events(5, 9))) as core:
        await bridge.reach()
        async with bridge.http() as http:
            answer = await http.get(f"/v1/responses/{RESPONSE_ID}?stream=true&starting_after=2")
        assert [call.starting_after for call in core.calls] == [2, 4]
    assert numbers(answer) == WHOLE[3:]


async def test_watching_after_the_last_event_ends_at_once(bridge: BridgeUnderTest, address: str) -> None:
    async with serving_fake(address, tells()), bridge.http() as http:
        await bridge.reach()
        answer = await http.get(f"/v1/responses/{RESPONSE_ID}?stream=true&starting_after=9")
    assert answer.content == b"data: [DONE]\n\n"


async def test_a_core_that_stays_away_ends_the_stream_as_failed(address: str, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, patience_seconds=0.5, heartbeat_seconds=0.1)
    stories = [tells(events(0, 4), then=refuses(LOST)), *[tells(then=refuses(LOST))] * 9]
    async with serving_fake(address, *stories), running_bridge(address, settings, key="nxk_1") as bridge:
        answer = await stream(bridge)
    *_, error, failed = events_of(answer.content)
    assert b": heartbeat\n\n" in answer.content
    assert (error["type"], error["error"]["code"], error["sequence_number"]) == ("error", "server_error", 4)
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert RESPONSE_ID in failed["response"]["error"]["message"]
    assert "canary" not in answer.text


async def test_a_silence_before_a_loss_takes_nothing_of_the_patience(address: str, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, patience_seconds=0.5, heartbeat_seconds=0.1)
    patient = asyncio.Event()

    async def falls_silent(context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await patient.wait()
        await refuses(LOST)(context)

    stories = tells(events(0, 4), then=falls_silent), tells(events(5, 9))
    async with serving_fake(address, *stories), running_bridge(address, settings, key="nxk_1") as bridge:
        await bridge.reach()
        async with (
            bridge.http() as http,
            asyncio.timeout(10),
            http.stream("GET", f"/v1/responses/{RESPONSE_ID}?stream=true") as answer,
        ):
            told, beats = b"", 8  # longer than the patience
            async for piece in answer.aiter_bytes():
                told += piece
                if told.count(b": heartbeat\n\n") >= beats:
                    patient.set()
    assert [event["sequence_number"] for event in events_of(told)] == WHOLE


async def test_a_loss_behind_the_end_is_no_loss(bridge: BridgeUnderTest, address: str) -> None:
    async with serving_fake(address, tells(events(0, 4), events(5, 9), then=refuses(LOST))) as core:
        assert numbers(await stream(bridge)) == WHOLE
        assert len(core.calls) == 1


async def test_a_response_that_was_lost_with_its_core_has_failed(bridge: BridgeUnderTest, address: str) -> None:
    gone = tells(then=refuses(grpc.StatusCode.NOT_FOUND, "response_not_found"))
    async with serving_fake(address, tells(events(0, 4), then=refuses(LOST)), gone):
        answer = await stream(bridge)
    *_, error, failed = events_of(answer.content)
    assert error["code"] == failed["response"]["error"]["code"] == "server_error"


async def test_a_refusal_in_mid_stream_is_told_in_its_own_words(bridge: BridgeUnderTest, address: str) -> None:
    revoked = tells(then=refuses(grpc.StatusCode.UNAUTHENTICATED, "invalid_api_key", "Revoked."))
    async with serving_fake(address, tells(events(0, 4), then=refuses(LOST)), revoked):
        answer = await stream(bridge)
    # The last word, since the response itself goes on without this reader.
    error = events_of(answer.content)[-1]
    assert error["error"] == {
        "message": "Revoked.",
        "type": "authentication_error",
        "param": None,
        "code": "invalid_api_key",
    }


async def test_without_a_core_every_call_says_so_at_once(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        answers = [
            await http.post("/v1/responses", json=bridge.body()),
            await http.post("/v1/responses", json=bridge.body(stream=True)),
            await http.get(f"/v1/responses/{RESPONSE_ID}"),
            await http.get(f"/v1/responses/{RESPONSE_ID}?stream=true"),
            await http.get("/v1/models"),
        ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "x-should-retry" not in answer.headers, "nothing was started, so sending it again is safe"


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_core_lost_before_its_first_word_may_have_started_something(
    bridge: BridgeUnderTest, address: str, *, streaming: bool
) -> None:
    async with serving_fake(address, tells(then=refuses(LOST))), asyncio.timeout(10):
        await bridge.reach()
        async with bridge.http() as http:
            answer = await http.post("/v1/responses", json=bridge.body(stream=streaming))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert answer.headers["x-should-retry"] == "false"
    assert "canary" not in answer.text


async def test_a_stream_that_is_quiet_from_the_start_gets_its_head(address: str, bridge_settings: Settings) -> None:
    settings = replace(bridge_settings, opening_seconds=0.1, heartbeat_seconds=0.1)
    async with (
        serving_fake(address, tells(then=waits)),
        running_bridge(address, settings, key="nxk_1") as bridge,
        bridge.http() as http,
        http.stream("GET", f"/v1/responses/{RESPONSE_ID}?stream=true") as answer,
    ):
        assert answer.status_code == 200
        assert await anext(answer.aiter_lines()) == ": heartbeat"


async def test_readiness_is_the_cores_and_health_is_ones_own(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="") as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "service_unavailable")
    assert answer.headers["retry-after"] == "1"
