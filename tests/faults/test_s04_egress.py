"""S4: tools can't be turned inwards, by URLs, names, redirects or resolvers: nothing there is ever connected to."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest

from service.errors import NodexaError
from service.tools.addresses import Address, Allowance, inward
from service.tools.egress import MAX_REDIRECTS, Egress
from service.tools.guard import EgressError
from service.tools.tool import ToolError
from tests.certificates import Authority
from tests.fakes.web_server import Page, WebServer, leads

HOSTS = (
    # this machine, as everybody writes it and as nobody does
    *(
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7f.0.0.1",
    ),
    *(
        "0177.0.0.1",
        "017700000001",
        "00000177.1",
        "0x7f.0x0.0x0.0x1",
        "127.0.0.1.",
        "127.0.0.01",
        "0",
        "0x0",
        "0.0.0.0",
    ),
    *("127。0。0。1", "127.0.0。1", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "%31%32%37.0.0.1", "127.0.0.1%00.example.com", "00"),
    *("localhost", "LOCALHOST", "localhost.", "sub.localhost", "ⓛocalhost", "localhost.localdomain", "host.internal"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::1%25lo]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    # the network around it
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.1"),
    *("198.18.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]"),
    *("[2001:db8::1]", "[3fff::1]", "[100::1]", "intranet", "printer.local", "router.home.arpa", "redis"),
    # where clouds keep their secrets
    *("169.254.169.254", "169.254.170.2", "2852039166", "0xa9fea9fe", "[fe80::a9fe:a9fe]", "[::ffff:169.254.169.254]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]", "metadata.google.internal", "168.63.129.16", "[fe80::1%25eth0]"),
    # nobody
    *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "[ff02::1]", "192.88.99.1", "1.2.3.4.5", "256.1"),
)
URLS = (
    *("", "//127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "unix:///run/x.sock"),
    *(
        "http://example.com@127.0.0.1:{port}/",
        "http://user:secret@example.com/",
        "http://:{port}/",
        "http:///x",
        "http://",
    ),
    *(
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://127.0.0.1\\@example.com:{port}/",
        "ws://127.0.0.1/",
    ),
    *("http://exa mple.com/", "http://127.0.0.1:{port}\r\nHost: x/", "http://\x00127.0.0.1:{port}/", "http://[::1"),
    *("http://127.0.0.1:{port}#@example.com/", "http://127.0.0.1:{port}?@example.com/", "HTTP://127.0.0.1:{port}/"),
)
FORMS = tuple(f"{scheme}://{host}:{{port}}/" for host in HOSTS for scheme in ("http", "https")) + URLS
STAYS = ("", "http:///x", "http://")
"""What leads to the same server when it is redirected to."""

_connects: list[list[object]] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _connects:
        _connects[-1].append(arguments[1])


sys.addaudithook(_audit)


@contextlib.contextmanager
def connections() -> Iterator[list[object]]:
    """Every address that any socket of this process connects to meanwhile."""
    _connects.append([])
    try:
        yield _connects[-1]
    finally:
        _connects.pop()


class Resolver:
    """Answers with `turns`, one a question, the last one for ever."""

    def __init__(self, *turns: Sequence[str]) -> None:
        self.turns = [*turns]
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        found = self.turns[min(self.asked, len(self.turns) - 1)]
        self.asked += 1
        return [ip_address(text) for text in found]


@pytest.fixture
async def inside() -> AsyncIterator[WebServer]:
    """A server that must never be connected to, on all addresses of this machine."""
    async with WebServer("0.0.0.0") as server:
        yield server
        assert server.connections == 0


@pytest.fixture
async def outside() -> AsyncIterator[WebServer]:
    """A server that plays the internet."""
    async with WebServer() as server:
        yield server


@contextlib.asynccontextmanager
async def reaching(
    *rules: str, resolver: Resolver | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Egress]:
    egress = Egress(
        Allowance.of(rules), **({"resolve": resolver} if resolver else {}), tls=(lambda: tls) if tls else None
    )
    try:
        yield egress
    finally:
        await egress.close()


async def test_no_spelling_of_an_inward_url_opens_a_socket(inside: WebServer) -> None:
    resolver = Resolver(["127.0.0.1"])
    assert len(FORMS) > 60
    async with reaching(resolver=resolver) as egress, egress.client() as client:
        with connections() as seen:
            for form in FORMS:
                url = form.replace("{port}", str(inside.port))
                with pytest.raises(NodexaError) as refused:
                    egress.check(url, "tools[0].server_url")
                assert (refused.value.code, refused.value.param) == ("url_not_allowed", "tools[0].server_url"), url
                with pytest.raises(ToolError) as failed:
                    await egress.fetch("GET", url)
                assert (failed.value.code, failed.value.done) == ("url_not_allowed", False), url
                with pytest.raises((EgressError, httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.HTTPError)):
                    await client.get(url, follow_redirects=True)
        assert seen == []
    assert resolver.asked == 0


async def test_no_redirect_leads_inwards(inside: WebServer, outside: WebServer) -> None:
    async with reaching(f"127.0.0.1:{outside.port}") as egress, egress.client() as client:
        with connections() as seen:
            for form in (*FORMS[: 2 * len(HOSTS) : 2], *URLS):
                target = form.replace("{port}", str(inside.port))
                if target in STAYS or not (target.isascii() and target.isprintable()):
                    continue  # It leads to the same server, or no server can send it.
                outside.pages["/"] = leads(target, status=307)
                with pytest.raises(ToolError) as failed:
                    await egress.fetch("GET", outside.url + "/")
                assert failed.value.code == "url_not_allowed", target
                with pytest.raises(httpx2.HTTPError):
                    await client.get(outside.url + "/", follow_redirects=True)
    assert set(seen) == {("127.0.0.1", outside.port)}


async def test_a_redirect_over_another_server_leads_no_further_inwards(inside: WebServer, outside: WebServer) -> None:
    async with WebServer() as second, reaching(f"127.0.0.1:{outside.port}", f"127.0.0.1:{second.port}") as egress:
        outside.pages["/"] = leads(second.url + "/on")
        second.pages["/on"] = leads(inside.url.replace("0.0.0.0", "127.0.0.1"))

        with pytest.raises(ToolError) as failed:
            await egress.fetch("GET", outside.url + "/")

    assert (failed.value.code, failed.value.done) == ("url_not_allowed", None)


RESOLVED = (
    *("127.0.0.1", "::1", "0.0.0.0", "10.1.2.3", "172.20.0.1", "192.168.0.1", "169.254.169.254", "100.64.1.1", "::"),
    *(
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:a00:1::",
        "fe80::1",
        "fd00::1",
        "fec0::1",
        "ff02::1",
    ),
    *("224.0.0.1", "255.255.255.255", "198.18.0.1", "240.0.0.1", "168.63.129.16", "192.0.0.192"),
)


async def test_a_name_that_leads_inwards_is_not_connected_to(inside: WebServer) -> None:
    public = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    resolver = Resolver(
        *([address] for address in RESOLVED),
        *([public[0], address] for address in RESOLVED),
        *([address, public[1]] for address in RESOLVED),
    )
    async with reaching(resolver=resolver) as egress:
        with connections() as seen:
            for turn in resolver.turns:
                with pytest.raises(ToolError) as failed:
                    await egress.fetch("GET", f"http://rebind.example:{inside.port}/")
                assert (failed.value.code, failed.value.done) == ("url_not_allowed", False), turn
    assert (seen, resolver.asked) == ([], 3 * len(RESOLVED))


async def test_a_resolver_that_changes_its_mind_is_not_asked_again(outside: WebServer) -> None:
    outside.pages["/"] = Page(b"hello", headers={"connection": "close"})
    resolver = Resolver(["127.0.0.1"], ["169.254.169.254"])
    async with reaching(f"127.0.0.1:{outside.port}", resolver=resolver) as egress:
        with connections() as seen:
            answer = await egress.fetch("GET", f"http://rebind.example:{outside.port}/")
            assert (answer.body, resolver.asked) == (b"hello", 1)
            with pytest.raises(ToolError):
                await egress.fetch("GET", f"http://rebind.example:{outside.port}/")
    assert seen == [("127.0.0.1", outside.port)]
    assert outside.asked[0].headers["host"] == f"rebind.example:{outside.port}"


async def test_what_is_encrypted_is_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    trusting = ssl.create_default_context(cafile=str(authority.cert))
    async with WebServer(tls=context) as server:
        server.pages["/"] = Page(b"hello")
        resolver = Resolver(["127.0.0.1"])
        rules = (f"localhost:{server.port}", f"other.example:{server.port}")
        async with reaching(*rules, resolver=resolver, tls=trusting) as egress:
            answer = await egress.fetch("GET", f"https://localhost:{server.port}/")
            with pytest.raises(ToolError) as failed:  # Its certificate is for another name.
                await egress.fetch("GET", f"https://other.example:{server.port}/")

    assert (answer.body, named) == (b"hello", ["localhost", "other.example"])
    assert (failed.value.code, failed.value.done) == ("tool_error", False)
    assert server.asked[0].headers["host"] == f"localhost:{server.port}"


async def test_an_allowed_door_opens_no_other_one(inside: WebServer, outside: WebServer) -> None:
    outside.pages["/"] = Page(b"hello")
    resolver = Resolver(["127.0.0.1"])
    rules = (f"127.0.0.1:{outside.port}", f"*.lan.example:{outside.port}")
    async with reaching(*rules, resolver=resolver) as egress:
        assert (await egress.fetch("GET", f"http://a.lan.example:{outside.port}/")).body == b"hello"
        for url in (f"http://127.0.0.1:{inside.port}/", f"http://a.lan.example:{inside.port}/"):
            with pytest.raises(ToolError) as failed:
                await egress.fetch("GET", url)
            assert failed.value.code == "url_not_allowed"
        beside = egress.beside(inside.url)
        with pytest.raises(NodexaError):
            egress.check(inside.url, "server_url")
        beside.check(inside.url, "server_url")


async def test_an_allowed_name_does_not_lead_to_the_metadata_of_a_cloud() -> None:
    async with reaching("api.lan.example:80", resolver=Resolver(["169.254.169.254"])) as egress:
        with connections() as seen, pytest.raises(ToolError) as failed:
            await egress.fetch("GET", "http://api.lan.example/")
    assert (failed.value.code, seen) == ("url_not_allowed", [])


async def test_the_environment_names_no_proxy(
    inside: WebServer, outside: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{inside.port}")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    outside.pages["/"] = Page(b"hello")
    async with reaching(f"127.0.0.1:{outside.port}") as egress, egress.client() as client:
        assert (await egress.fetch("GET", outside.url + "/")).body == b"hello"
        assert (await client.get(outside.url + "/")).text == "hello"
    assert all("authorization" not in asked.headers for asked in outside.asked)


async def test_redirects_end(outside: WebServer) -> None:
    outside.pages["/"] = leads("/")
    async with reaching(f"127.0.0.1:{outside.port}") as egress:
        with pytest.raises(ToolError) as failed:
            await egress.fetch("GET", outside.url + "/")
    assert (failed.value.code, len(outside.asked)) == ("tool_error", MAX_REDIRECTS + 1)


async def test_another_origin_learns_nothing_of_what_was_sent(outside: WebServer) -> None:
    async with WebServer() as other, reaching("127.0.0.0/8") as egress:
        outside.pages["/"] = leads(other.url + "/")
        outside.pages["/same"] = leads("/kept")
        outside.pages["/kept"] = Page(b"same")
        outside.pages["/post"] = leads(other.url + "/", status=307)
        other.pages["/"] = Page(b"other")
        secret = {"authorization": "Bearer canary", "x-key": "canary", "cookie": "canary", "accept": "text/plain"}

        assert (await egress.fetch("GET", outside.url + "/", headers=secret)).body == b"other"
        assert (await egress.fetch("GET", outside.url + "/same", headers=secret)).body == b"same"
        with pytest.raises(ToolError) as failed:
            await egress.fetch("POST", outside.url + "/post", headers=secret, content=b"canary")

    assert "canary" not in str(other.asked)
    assert other.asked[0].headers["accept"] == "text/plain"
    assert outside.asked[-2].headers["x-key"] == "canary"
    assert (failed.value.code, len(other.asked)) == ("url_not_allowed", 1)


def test_every_inward_address_is_known_in_every_dress() -> None:
    for text in RESOLVED:
        assert inward(ip_address(text)), text
    for text in ("93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert not inward(ip_address(text)), text
