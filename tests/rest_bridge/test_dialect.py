"""Nodexa's own events reach those who ask for them, by a header or by their key, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.admin_pb2 import ApiKey
from nodexa.v1.admin_service_pb2 import CreateApiKeyRequest

from service.errors import NodexaError
from service.model.chunk import Status
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.rest_bridge.socket_client import ask, opened

BROKEN = NodexaError("upstream_error", "The server broke.")


async def events(bridge: BridgeUnderTest, *, key: str | None = None, **headers: str) -> list[dict[str, Any]]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with bridge.http(key=key) as http:
        answer = await http.post("/v1/responses", json=bridge.body(stream=True), headers=sent)
    return events_of(answer.content)


def types(told: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in told]


def renumbered(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events as if nothing had been left out."""
    return [{**event, "sequence_number": number} for number, event in enumerate(told)]


async def key_of(core: CoreUnderTest, dialect: ApiKey.Dialect.ValueType) -> str:
    wanted = CreateApiKeyRequest(name="app", scopes=[ApiKey.SCOPE_FULL_ACCESS], dialect=dialect)
    made = await core.admin.CreateApiKey(wanted, metadata=core.metadata())
    assert made.api_key.dialect == dialect
    return made.secret


async def test_what_is_being_done_is_told_to_who_asks(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[Status("truncating")], *says("Hello")])
    told = await events(bridge, x_nodexa_dialect="nodexa")
    (status,) = [event for event in told if event["type"] == "response.status"]
    assert (status["status"], status["sequence_number"]) == ("truncating", 2)
    assert check_ladder(renumbered([event for event in told if event is not status]))["nodexa"]["ignored"] == []


async def test_nobody_else_hears_of_it(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[Status("truncating")], *says("Hello")])
    told = await events(bridge)
    assert check_ladder(renumbered(told))["output_text"] == "Hello"
    assert [event["sequence_number"] for event in told][:4] == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("made_for", "asked", "hears"),
    [
        (ApiKey.DIALECT_NODEXA, {}, 1),
        (ApiKey.DIALECT_NODEXA, {"x_nodexa_dialect": "openai"}, 0),
        (ApiKey.DIALECT_OPENAI, {"x_nodexa_dialect": "nodexa"}, 1),
        (ApiKey.DIALECT_OPENAI, {}, 0),
    ],
)
async def test_a_key_says_what_its_requests_do_not(
    bridge: BridgeUnderTest,
    core: CoreUnderTest,
    made_for: ApiKey.Dialect.ValueType,
    asked: dict[str, str],
    hears: int,
) -> None:
    core.model.add([[Status("truncating")], *says("Hello")])
    told = await events(bridge, key=await key_of(core, made_for), **asked)
    assert types(told).count("response.status") == hears


async def test_a_resumed_stream_speaks_as_its_request_asks(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[Status("truncating")], *says("Hello")])
    (first, *_) = await events(bridge)
    where = f"/v1/responses/{first['response']['id']}?stream=true"
    async with bridge.http() as http:
        plain = await http.get(where)
        more = await http.get(where, headers={"x-nodexa-dialect": "nodexa"})
    assert "response.status" not in types(events_of(plain.content))
    assert "response.status" in types(events_of(more.content))


async def test_a_failure_has_the_documented_name_there(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([*says("Hel")[:1], BROKEN], [*says("Hel")[:1], BROKEN])
    assert types(await events(bridge, x_nodexa_dialect="nodexa"))[-2:] == ["response.error", "response.failed"]
    assert types(await events(bridge))[-2:] == ["error", "response.failed"]


async def test_a_web_socket_speaks_it_too(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add([[Status("truncating")], *says("Hello")], [[Status("truncating")], *says("Hello")])
    async with opened(bridge, x_nodexa_dialect="nodexa") as socket:
        assert "response.status" in types(await ask(socket, bridge))
    async with opened(bridge) as socket:
        assert "response.status" not in types(await ask(socket, bridge))


async def test_a_dialect_that_nobody_speaks_is_refused(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/responses", json=bridge.body(), headers={"x-nodexa-dialect": "klingon"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "x-nodexa-dialect")
    assert not core.model.prompts
