"""The HTTP/1.1 client of one model server: pooled connections, TLS, deadlines; it posts and reads, nothing else.

It knows no redirects, proxies, cookies or compression, on purpose. A general client takes several times as long for a
call, and that was most of what a short answer cost us.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from service.model.http_connection import Connection
from service.model.http_errors import ConnectFailedError, ConnectionLostError, ConnectTimeoutError, HttpError
from service.model.outbox import Outbox

MAX_IDLE_CONNECTIONS = 128
DRAIN_SECONDS = 1.0
URL_SAFE = "/%:@!$&'()*+,;=~?"


@functools.cache
def default_tls() -> ssl.SSLContext:
    """Returns the context that trusts what the machine trusts; made once, for reading the certificates takes time."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post to."""

    host: str
    port: int
    tls: bool
    path: str
    """Path and query as they go over the wire."""

    socket: str = ""
    """The path of a unix socket to connect to; host and port are then only said in the request."""

    @property
    def authority(self) -> str:
        """The value of the `host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_address(base_url: str, path: str) -> Address:
    """Returns where `path` below `base_url` is; a query of it is kept. Raises ValueError in words for people."""
    try:
        url = urlsplit(base_url)
        host, port = (url.hostname or "").encode("idna").decode(), url.port
    except ValueError:  # UnicodeError is one too.
        raise ValueError("base_url is not a URL") from None
    if url.scheme not in ("http", "https"):
        raise ValueError("base_url must begin with http:// or https://")
    if not host or port == 0 or any(char.isspace() for char in base_url):
        raise ValueError("base_url needs a host, like http://127.0.0.1:11434/v1")
    if url.username is not None or url.password is not None:
        raise ValueError("base_url must not hold a user name or password; use api_key_env for the key")
    target = quote(url.path.rstrip("/") + path, safe=URL_SAFE)
    target += f"?{quote(url.query, safe=URL_SAFE)}" if url.query else ""
    tls = url.scheme == "https"
    return Address(host=host, port=port or (443 if tls else 80), tls=tls, path=target)


class HttpClient:
    """Posts to one address. As many exchanges at once as are asked for; the runner bounds them."""

    def __init__(self, address: Address, *, connect_timeout: float, tls_context: Callable[[], ssl.SSLContext]) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._tls_context = tls_context
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._draining: set[asyncio.Task[None]] = set()
        self._closed = False
        self._outbox: Outbox | None = None

    def head(self, headers: Mapping[str, str]) -> bytes:
        """Returns the beginning of requests with these headers, for `post`."""
        lines = (
            f"POST {self._address.path} HTTP/1.1",
            f"host: {self._address.authority}",
            *(f"{name}: {value}" for name, value in headers.items()),
            "content-length: ",
        )
        return "\r\n".join(lines).encode("latin-1")

    def ask(self, body: bytes, head: bytes, *, idle_timeout: float, total: float) -> Connection | None:
        """Sends `body` behind what `head` made on a connection that is free, and waits for nothing; None without one.

        It must be given to `post`, or back: `release`. In `total` seconds the answer must be over.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                self._busy.add(connection)
                connection.ask(_request(body, head), idle_timeout=idle_timeout, until=connection.now + total)
                return connection
        return None

    async def post(
        self, body: bytes, head: bytes, *, idle_timeout: float, until: float, asked: Connection | None = None
    ) -> Connection:
        """Sends `body` behind what `head` made; returns the connection once the head of the answer is there.

        It must be given back: `release`. `asked` is where it was sent already.

        Raises HttpError. `idle_timeout` is the most time between two arrivals of bytes, in seconds; `until` is when, in
        the loop's time, the answer must be over.
        """
        while True:
            connection, used = (asked, True) if asked else await self._take()
            self._busy.add(connection)
            try:
                if asked:
                    asked = None
                    await connection.head()
                else:
                    await connection.send(_request(body, head), idle_timeout=idle_timeout, until=until)
                return connection
            except ConnectionLostError:
                self.release(connection)
                if not used or connection.status:
                    raise
                # A server closes idle connections when it likes, also while we take one up: that is no failure.
            except BaseException:
                self.release(connection)
                raise

    def release(self, connection: Connection) -> None:
        """Takes a connection back: keeps it where the answer was read to its end, else closes it at once."""
        self._busy.discard(connection)
        if connection.reusable and len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.abort()

    def release_soon(self, connection: Connection) -> None:
        """Takes back a connection whose answer is understood, while its last bytes may still be on their way."""
        if connection.complete:
            self.release(connection)
            return
        task = asyncio.get_running_loop().create_task(self._drain(connection))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def close(self) -> None:
        """Closes every connection; exchanges under way fail."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()

    async def _drain(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await connection.read():
                    pass
        except (TimeoutError, HttpError):
            pass  # Then it can't be used again, and `release` closes it.
        finally:
            self.release(connection)

    async def _take(self) -> tuple[Connection, bool]:
        """Returns a connection and whether it was used before: the one used last, the likeliest to be alive."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection, True
        return await self._connect(), False

    async def _connect(self) -> Connection:
        if self._closed:
            raise ConnectFailedError("the client is closed")
        address = self._address
        loop = asyncio.get_running_loop()
        outbox = self._outbox = self._outbox or Outbox(loop)
        try:
            async with asyncio.timeout(self._connect_timeout):
                if address.socket:
                    _, connection = await loop.create_unix_connection(lambda: Connection(loop, outbox), address.socket)
                else:
                    context = self._tls_context() if address.tls else None
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, outbox), address.host, address.port, ssl=context
                    )
        except TimeoutError as error:
            raise ConnectTimeoutError(str(error)) from error
        except OSError as error:
            raise ConnectFailedError(str(error)) from error
        return connection


def _request(body: bytes, head: bytes) -> bytes:
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)
