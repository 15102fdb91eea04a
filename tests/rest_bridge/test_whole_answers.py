"""Answers and streams on one connection: however they are written, a client reads the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.raw import exchange, head


def asking(core: CoreUnderTest, bridge: BridgeUnderTest, **more: str) -> bytes:
    body = json.dumps(bridge.body()).encode()
    fields = {"content_type": "application/json", "content_length": str(len(body)), "x_api_key": core.key, **more}
    return head("POST", "/v1/responses", **fields) + body


def answers_in(data: bytes) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """The first line, the fields and the body of each."""
    while data:
        top, _, data = data.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        size = int(fields["content-length"])
        yield first, fields, data[:size]
        data = data[size:]


async def test_answers_to_requests_that_came_together_stand_in_their_order(
    core: CoreUnderTest, bridge: BridgeUnderTest
) -> None:
    core.model.add(says("One"), says("Two"), says("Three"))
    usual = asking(core, bridge)

    told = list(answers_in(await exchange(bridge.port, usual + usual + asking(core, bridge, connection="close"))))

    assert [json.loads(body)["output_text"] for _, _, body in told] == ["One", "Two", "Three"]
    assert {first for first, _, _ in told} == {"HTTP/1.1 200 OK"}
    assert [fields.get("connection") for _, fields, _ in told] == [None, None, "close"]
    common = [set(fields) - {"connection"} for _, fields, _ in told]
    assert common == [{"date", "content-type", "content-length", "x-request-id"}] * 3
    assert len({fields["x-request-id"] for _, fields, _ in told}) == 3


async def test_a_client_of_an_older_http_gets_its_answer_and_the_end(
    core: CoreUnderTest, bridge: BridgeUnderTest
) -> None:
    core.model.add(says("One"))

    told = list(answers_in(await exchange(bridge.port, asking(core, bridge).replace(b"HTTP/1.1", b"HTTP/1.0"))))

    assert [json.loads(body)["output_text"] for _, _, body in told] == ["One"]


async def test_streams_on_one_connection_end_alike_whether_it_stays_or_not(
    core: CoreUnderTest, bridge: BridgeUnderTest
) -> None:
    core.model.add(says("One"), says("Two"))
    body = json.dumps(bridge.body(stream=True)).encode()
    fields = {"content_type": "application/json", "content_length": str(len(body)), "x_api_key": core.key}

    stays = head("POST", "/v1/responses", **fields) + body
    told = await exchange(bridge.port, stays + head("POST", "/v1/responses", **fields, connection="close") + body)

    one, two, rest = told.split(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert rest == b""
    for stream, text in ((one, b"One"), (two, b"Two")):
        top, _, chunks = stream.partition(b"\r\n\r\n")
        assert top.lower().endswith(b"transfer-encoding: chunked")
        assert top.count(b"x-request-id: req_") == 1
        assert chunks.index(b"event: response.created\n") < chunks.index(b'"delta":"%b"' % text)
        assert chunks.rindex(b"event: response.completed\n") > chunks.index(b'"text":"%b"' % text)
    assert b"connection: close" in two
    assert b"connection: close" not in one
