"""What the client of the tools does with what servers do: sizes, times, breaks, cookies."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest

from service.tools.addresses import Allowance
from service.tools.egress import Egress
from service.tools.guard import EgressError
from service.tools.tool import ToolError
from tests.fakes.web_server import Page, WebServer, leads, shows

SECONDS = 20.0
TEXT = b"abc" * 1000


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with WebServer() as server:
        yield server


@pytest.fixture
async def egress(web: WebServer) -> AsyncIterator[Egress]:
    made = Egress(Allowance.of([f"127.0.0.1:{web.port}"]))
    yield made
    await made.close()


async def failure(egress: Egress, url: str, **how: float) -> tuple[str, bool | None]:
    """The code of what fails, and whether it may be done."""
    with pytest.raises(ToolError) as failed:
        await egress.fetch("GET", url, **how)
    assert failed.value.message
    return failed.value.code, failed.value.done


async def test_an_answer_is_read_whatever_its_status(web: WebServer, egress: Egress) -> None:
    web.pages["/missing"] = shows({"why": "gone"}, 404, **{"X-Trace": "t"})

    answer = await egress.fetch("POST", web.url + "/missing?a=1", headers={"x-key": "k"}, content=b"{}")

    assert (answer.status, answer.body, answer.headers["x-trace"]) == (404, b'{"why": "gone"}', "t")
    assert (web.asked[0].method, web.asked[0].target, web.asked[0].headers["x-key"]) == ("POST", "/missing?a=1", "k")


async def test_packed_answers_are_unpacked(web: WebServer, egress: Egress) -> None:
    packed = {"content-encoding": "gzip"}
    web.pages["/one"] = Page(gzip.compress(TEXT), headers=packed)
    web.pages["/two"] = Page(gzip.compress(TEXT) + gzip.compress(b"more"), headers=packed)
    web.pages["/none"] = Page(b"", headers=packed)

    assert (await egress.fetch("GET", web.url + "/one")).body == TEXT
    assert (await egress.fetch("GET", web.url + "/two")).body == TEXT + b"more"
    assert (await egress.fetch("GET", web.url + "/none")).body == b""
    async with egress.client() as client:
        assert (await client.get(web.url + "/one")).content == TEXT


async def test_too_much_is_not_read(web: WebServer, egress: Egress) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    web.pages["/long"] = Page(TEXT)
    web.pages["/bomb"] = Page(bomb, headers={"content-encoding": "gzip"})
    web.pages["/endless"] = Page(raw=b"HTTP/1.1 200 OK\r\n\r\n" + TEXT * 10)

    assert len((await egress.fetch("GET", web.url + "/long", most=len(TEXT))).body) == len(TEXT)
    for page in ("/long", "/bomb", "/endless"):
        assert await failure(egress, web.url + page, most=len(TEXT) - 1) == ("tool_response_too_large", None)
    async with egress.client() as client:
        with pytest.raises(EgressError, match="more than may be read"):
            await client.get(web.url + "/bomb")


async def test_what_can_not_be_read_is_told(web: WebServer, egress: Egress) -> None:
    web.pages["/brotli"] = Page(b"abc", headers={"content-encoding": "br"})
    web.pages["/lie"] = Page(b"not gzip", headers={"content-encoding": "gzip"})
    web.pages["/cut"] = Page(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
    web.pages["/garbage"] = Page(raw=b"\x00\x01 what\r\n\r\n")
    web.pages["/location"] = leads("http://[")

    for page in ("/brotli", "/lie", "/cut", "/garbage"):
        assert await failure(egress, web.url + page) == ("tool_error", None)
    assert await failure(egress, web.url + "/location") == ("url_not_allowed", None)


async def test_silence_ends(web: WebServer, egress: Egress) -> None:
    web.pages["/head"] = Page(hang="before")
    web.pages["/body"] = Page(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", hang="behind")

    for page in ("/head", "/body"):
        assert await failure(egress, web.url + page, seconds=0.2) == ("tool_timeout", None)


async def test_a_server_that_is_not_there_did_nothing() -> None:
    async with WebServer() as web:
        gone = web.url
    egress = Egress(Allowance.of(["127.0.0.0/8"]))
    try:
        assert await failure(egress, gone) == ("tool_error", False)
    finally:
        await egress.close()


async def test_cancelling_hangs_up(web: WebServer, egress: Egress) -> None:
    web.pages["/"] = Page(hang="before")
    call = asyncio.create_task(egress.fetch("GET", web.url + "/"))
    async with asyncio.timeout(SECONDS):
        await web.came.wait()
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await web.left.wait()


async def test_cookies_are_nobodys(web: WebServer, egress: Egress) -> None:
    web.pages["/"] = Page(b"", headers={"set-cookie": "session=canary; Path=/"})

    for _ in range(2):
        await egress.fetch("GET", web.url + "/")

    assert all("cookie" not in asked.headers for asked in web.asked)
    assert web.connections == 1


async def test_whoever_writes_headers_does_not_choose_the_host(web: WebServer, egress: Egress) -> None:
    async with egress.client(headers={"Host": "other.example", "X-Key": "k"}) as client:
        await client.get(web.url + "/", headers={"accept-encoding": "br"})

    assert web.asked[0].headers["host"] == f"127.0.0.1:{web.port}"
    assert (web.asked[0].headers["accept-encoding"], web.asked[0].headers["x-key"]) == ("gzip", "k")


async def test_a_header_that_is_none_sends_nothing(web: WebServer, egress: Egress) -> None:
    for value in ("a\r\nx-other: b", "a\x00", "日本"):
        with pytest.raises(ToolError) as failed:
            await egress.fetch("GET", web.url + "/", headers={"x-key": value})
        assert (failed.value.code, failed.value.done, web.asked) == ("tool_error", False, [])


async def test_a_resolver_that_fails_is_told_without_its_words() -> None:
    async def fails(host: str, port: int) -> list[object]:
        raise OSError("secret words")

    egress = Egress(Allowance(), resolve=fails)
    with pytest.raises(ToolError) as failed:
        await egress.fetch("GET", "http://example.com/")
    async with egress.client() as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("http://example.com/")
    await egress.close()

    assert (failed.value.code, failed.value.done) == ("tool_error", False)
    assert "secret" not in failed.value.message
