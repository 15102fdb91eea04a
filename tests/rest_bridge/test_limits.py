"""Limits of size and time, with requests that no client library sends."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rest_bridge.protocol import SPARE_CONNECTIONS
from rest_bridge.settings import Settings
from rest_bridge.tls import HttpsFiles
from service.model.scripted import says
from tests.certificates import Authority
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.raw import connected, exchange, head


def check_refused(answer: bytes, status: int, code: str) -> None:
    """Checks that the connection's last answer is this error in our form, and that it closes."""
    top, _, body = answer.partition(b"\r\n\r\n")
    lines = top.decode().lower().split("\r\n")
    assert lines[0].startswith(f"http/1.1 {status} "), answer
    assert "connection: close" in lines
    assert "content-type: application/json" in lines
    assert any(line.startswith("x-request-id: ") for line in lines)
    assert json.loads(body)["error"]["code"] == code


def post(bridge: BridgeUnderTest, **headers: str) -> bytes:
    return head("POST", "/v1/responses", x_api_key=bridge.key, content_type="application/json", **headers)


@pytest.mark.parametrize("piece", [b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: b"])
async def test_half_a_head_is_answered_and_closed_after_its_time(bridge: BridgeUnderTest, piece: bytes) -> None:
    check_refused(await exchange(bridge.port, piece), 408, "request_timeout")


async def test_a_connection_that_asks_for_nothing_is_closed(bridge: BridgeUnderTest) -> None:
    assert await exchange(bridge.port) == b""


@pytest.mark.parametrize("piece", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half a ClientHello"])
async def test_half_a_handshake_is_closed_after_its_time(
    core: CoreUnderTest, bridge_settings: Settings, tmp_path: Path, piece: bytes
) -> None:
    own = Authority(tmp_path).sign("nodexa")
    async with running_bridge(core.address, bridge_settings, https=HttpsFiles(own.cert, own.key)) as bridge:
        assert await exchange(bridge.port, piece) == b""


async def test_half_a_second_request_is_answered_and_closed_too(bridge: BridgeUnderTest) -> None:
    async with asyncio.timeout(10), connected(bridge.port) as (reader, writer):
        writer.write(head("GET", "/healthz"))
        assert b"200 OK" in await reader.readuntil(b"}")
        writer.write(b"GET /heal")
        check_refused(await reader.read(), 408, "request_timeout")


async def test_a_head_in_slow_pieces_is_read_when_it_comes_in_time(bridge: BridgeUnderTest) -> None:
    answer = await exchange(bridge.port, *(bytes([byte]) for byte in head("GET", "/healthz", connection="close")))
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_a_stalled_body_is_answered_and_closed_after_its_time(bridge: BridgeUnderTest) -> None:
    answer = await exchange(bridge.port, post(bridge, content_length="100") + b'{"model": ')
    check_refused(answer, 408, "request_timeout")


@pytest.mark.parametrize(
    "request_head",
    [
        head("GET", "/healthz", x_large="a" * 17_000),
        head("GET", "/healthz", **{f"x-{number}": "a" for number in range(101)}),
        head("GET", "/healthz", x_endless="a" * 100_000)[:-4],
    ],
    ids=["a large field", "many fields", "a field without end"],
)
async def test_a_head_that_is_too_large_is_refused(bridge: BridgeUnderTest, request_head: bytes) -> None:
    check_refused(await exchange(bridge.port, request_head), 431, "request_head_too_large")


async def test_a_url_that_is_too_long_is_refused(bridge: BridgeUnderTest) -> None:
    check_refused(await exchange(bridge.port, head("GET", "/" + "a" * 9000)), 414, "url_too_long")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET  / HTTP/9.9\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
async def test_what_is_no_http_is_refused(bridge: BridgeUnderTest, request_bytes: bytes) -> None:
    check_refused(await exchange(bridge.port, request_bytes), 400, "invalid_request")


async def test_a_body_that_says_it_is_too_large_is_refused(bridge: BridgeUnderTest) -> None:
    size = bridge.bridge.settings.max_body_bytes + 1
    expecting = post(bridge, content_length=str(size), expect="100-continue")
    check_refused(await exchange(bridge.port, expecting), 413, "request_too_large")
    check_refused(
        await exchange(bridge.port, post(bridge, content_length=str(size)), b"x" * size), 413, "request_too_large"
    )


async def test_a_body_that_grows_too_large_is_refused(bridge: BridgeUnderTest) -> None:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    pieces = [post(bridge, transfer_encoding="chunked"), *([piece] * 130), b"0\r\n\r\n"]
    check_refused(await exchange(bridge.port, *pieces), 413, "request_too_large")


async def test_a_body_of_another_kind_is_read_to_its_end_before_it_is_refused(bridge: BridgeUnderTest) -> None:
    # Else the connection is reset under a client that still writes, which then may never see the answer.
    size = bridge.bridge.settings.max_body_bytes
    asked = head("POST", "/v1/responses", x_api_key=bridge.key, content_type="text/plain", content_length=str(size))
    check_refused(await exchange(bridge.port, asked, b"x" * size), 415, "unsupported_media_type")


async def test_a_body_of_just_the_limit_is_read(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Hello"))
    body = json.dumps(bridge.body()).encode()
    body += b" " * (bridge.bridge.settings.max_body_bytes - len(body))
    answer = await exchange(bridge.port, post(bridge, content_length=str(len(body)), connection="close") + body)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_requests_in_a_row_share_a_connection(bridge: BridgeUnderTest) -> None:
    two = head("GET", "/healthz") + head("GET", "/healthz", connection="close")
    assert (await exchange(bridge.port, two)).count(b"HTTP/1.1 200 OK") == 2


async def test_a_connection_that_asks_for_nothing_more_is_closed(core: CoreUnderTest) -> None:
    async with (
        running_bridge(core.address, Settings(keep_alive_seconds=1, head_seconds=30)) as bridge,
        connected(bridge.port) as (reader, writer),
        asyncio.timeout(10),
    ):
        for _ in range(3):
            writer.write(head("GET", "/healthz"))
            assert b"200 OK" in await reader.readuntil(b"}")
        assert await reader.read() == b""


async def test_the_limits_are_those_of_the_settings(core: CoreUnderTest) -> None:
    settings = Settings(max_body_bytes=100, max_url_bytes=50, max_headers=5)
    async with running_bridge(core.address, settings, key=core.key) as bridge:
        sent = post(bridge, content_length="101", expect="100-continue")
        check_refused(await exchange(bridge.port, sent), 413, "request_too_large")
        check_refused(await exchange(bridge.port, head("GET", "/" + "a" * 51)), 414, "url_too_long")
        many = head("GET", "/healthz", a="1", b="2", c="3", d="4", e="5")
        check_refused(await exchange(bridge.port, many), 431, "request_head_too_large")


async def test_beyond_the_bound_only_probes_are_answered(core: CoreUnderTest, bridge_settings: Settings) -> None:
    few = replace(bridge_settings, max_connections=2, keep_alive_seconds=30)
    async with (
        running_bridge(core.address, few, key=core.key, assistant_id=core.assistant_id) as bridge,
        connected(bridge.port) as first,
        connected(bridge.port) as second,
        asyncio.timeout(10),
    ):
        for reader, writer in (first, second):
            writer.write(head("GET", "/healthz"))
            assert b"200 OK" in await reader.readuntil(b"}")

        refused = await exchange(bridge.port, post(bridge, content_length="2") + b"{}")
        check_refused(refused, 503, "service_unavailable")
        assert b"retry-after: 1\r\n" in refused
        for probe in ("/healthz", "/readyz"):
            assert b"200 OK" in await exchange(bridge.port, head("GET", probe, connection="close"))

        reader, writer = first
        writer.write(head("GET", "/v1/models", x_api_key=bridge.key))
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        second[1].close()
        await second[1].wait_closed()
        listed = head("GET", "/v1/models", x_api_key=bridge.key, connection="close")
        while b"200 OK" not in await exchange(bridge.port, listed):  # noqa: ASYNC110 - until the bridge has seen it
            await asyncio.sleep(0.01)


async def test_far_beyond_the_bound_connections_are_closed_unheard(
    core: CoreUnderTest, bridge_settings: Settings
) -> None:
    few = replace(bridge_settings, max_connections=1, head_seconds=10)
    async with running_bridge(core.address, few) as bridge, AsyncExitStack() as stack:
        for _ in range(1 + SPARE_CONNECTIONS):
            await stack.enter_async_context(connected(bridge.port))
        reader, _ = await stack.enter_async_context(connected(bridge.port))
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
