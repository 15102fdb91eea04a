"""Requests of one connection whose heads are alike: each is read for what it is."""

from __future__ import annotations

import json

import pytest

from rest_bridge.known_head import KnownHead, learn
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.raw import connected, head

SCOPE = {"method": "POST", "headers": [(b"host", b"x"), (b"content-length", b"2")]}
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\nContent-Length: %b\r\n\r\n"


def known() -> KnownHead:
    found = learn(HEAD % b"2" + b"{}", SCOPE)
    assert found is not None
    return found


def test_a_head_is_known_again_whatever_the_length_of_its_body() -> None:
    assert known().body(HEAD % b"2" + b"{}") == b"{}"
    assert known().body(HEAD % b"12" + b'{"a":"\r\n\r\n"}') == b'{"a":"\r\n\r\n"}'
    assert known().body(HEAD % b"0") == b""


@pytest.mark.parametrize(
    "data",
    [
        HEAD % b"3" + b"{}",
        HEAD % b"2" + b"{}P",
        HEAD % b"" + b"",
        HEAD % b"+2" + b"{}",
        HEAD % b" 2" + b"{}",
        HEAD % b"2 " + b"{}",
        HEAD % b"00000002" + b"{}",
        (HEAD % b"2").replace(b"host: x", b"host: y") + b"{}",
        (HEAD % b"2")[:-2] + b"more: z\r\n\r\n{}",
        (HEAD % b"2")[:-4],
        b"",
    ],
)
def test_what_differs_in_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert known().body(data) is None


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (HEAD % b"2" + b"{}" + HEAD % b"2" + b"{}", []),
        (HEAD % b"2" + b"{", []),
        (HEAD % b"2" + b"{}", [(b"content-length", b"2")]),
        (HEAD % b"2" + b"{}", [(b"transfer-encoding", b"chunked")]),
        (b"POST / HTTP/1.1\r\nhost: x\r\n\r\n", []),
    ],
)
def test_only_a_head_that_stood_before_one_whole_body_is_learned(data: bytes, more: list[tuple[bytes, bytes]]) -> None:
    assert learn(data, {**SCOPE, "headers": [*SCOPE["headers"], *more]}) is None


async def test_requests_of_one_connection_get_their_own_answers(core: CoreUnderTest, bridge: BridgeUnderTest) -> None:
    texts = [f"number {'x' * at}{at}" for at in range(6)]
    core.model.add(*[says(f"To {text}") for text in texts])
    ids = set()
    async with connected(bridge.port) as (reader, writer):
        for text in texts:
            body = json.dumps(bridge.body(input=text)).encode()
            fields = {"content_type": "application/json", "x_api_key": core.key, "content_length": str(len(body))}
            writer.write(head("POST", "/v1/responses", **fields) + body)
            top = await reader.readuntil(b"\r\n\r\n")
            told = dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:] if line)
            ids.add(told["x-request-id"])
            answer = json.loads(await reader.readexactly(int(told["content-length"])))
            assert answer["output_text"] == f"To {text}"
    assert len(ids) == len(texts)


async def test_another_key_on_a_known_connection_is_another_key(core: CoreUnderTest, bridge: BridgeUnderTest) -> None:
    core.model.add(*[says("Yes")] * 4)
    good = [core.key] * 3
    async with connected(bridge.port) as (reader, writer):
        for key in (*good, core.key[:-1] + "_", core.key):
            body = json.dumps(bridge.body()).encode()
            fields = {"content_type": "application/json", "x_api_key": key, "content_length": str(len(body))}
            writer.write(head("POST", "/v1/responses", **fields) + body)
            top = await reader.readuntil(b"\r\n\r\n")
            assert top.startswith(b"HTTP/1.1 200 " if key == core.key else b"HTTP/1.1 401 ")
            told = dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:] if line)
            await reader.readexactly(int(told["content-length"]))


async def test_a_known_head_may_come_in_pieces_and_with_the_next_one(
    core: CoreUnderTest, bridge: BridgeUnderTest
) -> None:
    core.model.add(*[says("Yes")] * 6)
    body = json.dumps(bridge.body()).encode()
    fields = {"content_type": "application/json", "x_api_key": core.key, "content_length": str(len(body))}
    asked = head("POST", "/v1/responses", **fields) + body
    async with connected(bridge.port) as (reader, writer):
        for pieces in ([asked], [asked], [asked], [asked[:40], asked[40:]], [asked + asked[:9], asked[9:]]):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            for _ in range(sum(map(len, pieces)) // len(asked)):
                top = await reader.readuntil(b"\r\n\r\n")
                assert top.startswith(b"HTTP/1.1 200 ")
                length = next(line for line in top.split(b"\r\n") if line.startswith(b"content-length: "))
                assert b'"output_text":"Yes"' in await reader.readexactly(int(length.split(b" ")[1]))
