"""What stands between a tool and the network: URLs, addresses and sizes are judged here, for every request anew."""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final

import httpcore2
import httpx2

from service.tools.addresses import Address, Allowance, inward_name, literal
from service.tools.egress import Resolve

TRIED_ADDRESSES: Final = 4
KEPT_CONNECTIONS: Final = 32
KEPT_SECONDS: Final = 15.0
MOST: Final = "nodexa.most"
"""The extension of a request that says how many bytes of its answer's body are read at most."""
_ERRORS: Final = {
    getattr(httpcore2, name): getattr(httpx2, name)
    for name in (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutException"),
        *("ConnectError", "ReadError", "WriteError", "NetworkError"),
        *("LocalProtocolError", "RemoteProtocolError", "ProtocolError", "UnsupportedProtocol"),
    )
}
"""httpcore's errors → httpx's; the first that fits counts."""


class EgressError(httpx2.TransportError):
    """We ended the exchange ourselves: `url_not_allowed`, `tool_response_too_large`, `tool_error`.

    The message is for whoever reads what a tool did: it names nothing secret.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parsed(url: str) -> httpx2.URL:
    """The URL in parts. Raises EgressError for what is none."""
    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):  # UnicodeError is one, too.
        raise EgressError("url_not_allowed", "This URL can't be called: it is none.") from None


def refuse_inward(url: httpx2.URL, allowed: Allowance) -> None:
    """Raises EgressError for a URL that can't be meant for the public internet, before anything is resolved."""
    if url.scheme not in ("http", "https"):
        raise _not_allowed("only http:// and https:// can be called")
    if url.userinfo:
        raise _not_allowed("a URL must not hold a user name or password")
    host, port = url.raw_host.decode("ascii"), port_of(url)
    try:
        address = literal(host)
    except ValueError as error:
        raise _not_allowed(str(error)) from None
    if not 0 < port < 65536:
        raise _not_allowed("its port is none")
    if address is None:
        inside = inward_name(host) and not allowed.name(host, port)
    else:
        inside = not allowed.reaches(address, host, port)
    if inside:
        raise _not_allowed("it leads inwards, which only the operator can allow: [egress] in nodexa.toml")


def port_of(url: httpx2.URL) -> int:
    """The port that a URL means."""
    return url.port if url.port is not None else (443 if url.scheme == "https" else 80)


async def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of a name, by the machine's own resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(entry[4][0])) for entry in found]


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests, where they may go. No proxies, no redirects, no more of an answer than `most` bytes."""

    def __init__(self, allowed: Allowance, *, resolve: Resolve, tls: ssl.SSLContext, most: int) -> None:
        self._allowed = allowed
        self._most = most
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_keepalive_connections=KEPT_CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
            network_backend=_Network(allowed, resolve),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        refuse_inward(request.url, self._allowed)
        # Whoever wrote the headers decides neither to whom the request is nor what we have to unpack.
        request.headers["host"] = request.url.netloc.decode("ascii")
        request.headers["accept-encoding"] = "gzip"
        sent = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _told_as_httpx():
            answer = await self._pool.handle_async_request(sent)
        headers = httpx2.Headers(answer.headers)
        body = _Body(answer, headers.pop("content-encoding", ""), request.extensions.get(MOST, self._most))
        return httpx2.Response(answer.status, headers=headers, stream=body, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Network(httpcore2.AsyncNetworkBackend):
    """Resolves a name once and connects to what it judged: a resolver that changes its mind is asked no second time."""

    def __init__(self, allowed: Allowance, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, await self._judged(host, port), timeout)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _judged(self, host: str, port: int) -> Sequence[Address]:
        try:
            address = literal(host)
            found = [address] if address is not None else list(dict.fromkeys(await self._resolve(host, port)))
        except (OSError, ValueError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        if not found:
            raise httpcore2.ConnectError("no address")
        # One bad address spoils all: who controls the name chooses the order.
        if not all(self._allowed.reaches(address, host, port) for address in found):
            raise _not_allowed("its name leads inwards, which only the operator can allow: [egress] in nodexa.toml")
        return found

    async def _connect(
        self, host: str, port: int, addresses: Sequence[Address], timeout: float | None
    ) -> httpcore2.AsyncNetworkStream:
        failure = httpcore2.ConnectError(host)
        for address in addresses[:TRIED_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout=timeout)
            except httpcore2.ConnectError as error:
                failure = error
        raise failure


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, unpacked, and cut off with an error where it is more than `most` bytes."""

    def __init__(self, answer: httpcore2.Response, coding: str, most: int) -> None:
        self._answer = answer
        self._coding = coding.strip().lower()
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._coding not in ("", "identity", "gzip", "x-gzip"):
            raise EgressError("tool_error", "The server answered in a content encoding that it was not asked for.")
        unpacked = _unpacked if self._coding.endswith("gzip") else _as_it_is
        with _told_as_httpx():
            async for data in unpacked(self._answer.aiter_stream(), lambda: self._left + 1):
                self._left -= len(data)
                if self._left < 0:
                    raise EgressError("tool_response_too_large", "The server answered more than may be read.")
                yield data

    async def aclose(self) -> None:
        with _told_as_httpx():
            await self._answer.aclose()


async def _as_it_is(packed: AsyncIterator[bytes], _: Callable[[], int]) -> AsyncIterator[bytes]:
    async for data in packed:
        yield data


async def _unpacked(packed: AsyncIterator[bytes], most: Callable[[], int]) -> AsyncIterator[bytes]:
    """Unpacks gzip in pieces of at most `most()` bytes, so that a bomb goes off in small."""
    gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    async for data in packed:
        rest = data
        while rest:
            try:
                plain = gzip.decompress(rest, most())
            except zlib.error:
                raise EgressError("tool_error", "The server's answer is not the gzip that it says.") from None
            rest = gzip.unconsumed_tail
            if gzip.eof:  # One file of gzip may follow another.
                rest, gzip = gzip.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield plain


@contextmanager
def _told_as_httpx() -> Iterator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        raise next(told for known, told in _ERRORS.items() if isinstance(error, known))(str(error)) from error


def _not_allowed(reason: str) -> EgressError:
    return EgressError("url_not_allowed", f"This URL can't be called: {reason}.")
