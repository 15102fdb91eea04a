"""The one HTTP client for everything that a request can aim: it reaches the public internet, and what is allowed."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from service.errors import NodexaError
from service.tools.addresses import Allowance
from service.tools.guard import MOST, EgressError, GuardedTransport, Resolve, port_of, refuse_inward, resolve
from service.tools.tool import CALL_SECONDS, ToolError

# They tell of every request, with its URL.
for name in ("httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)

MAX_REDIRECTS: Final = 5
BODY_BYTES: Final = 8 * 1024 * 1024
"""How much of an answer's body is read at most, unpacked."""
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0
KEPT_HEADERS: Final = ("accept", "accept-language", "user-agent")
"""What goes along to another origin."""
_UNSENT: Final = (
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.LocalProtocolError),
    UnicodeError,  # a header that can't be written
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered: the names of `headers` are in lower case, `body` is unpacked, `url` is whose it is."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Egress:
    """Makes requests to where they may go. It has to be closed.

    `resolve` and `tls` are the machine's own unless something else is given.
    """

    def __init__(
        self,
        allowed: Allowance,
        *,
        resolve: Resolve = resolve,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._tls = tls or _machines_trust
        self._http: httpx2.AsyncClient | None = None

    def check(self, url: str, param: str) -> None:
        """Raises NodexaError `url_not_allowed` for what is no URL, or one that leads inwards. Opens no socket."""
        try:
            refuse_inward(_parsed(url), self._allowed)
        except EgressError as error:
            raise NodexaError(error.code, error.message, param=param) from None

    def beside(self, url: str) -> Egress:
        """Another client, with connections of its own, that also reaches the host of a URL, at its port.

        For addresses that the operator wrote. Raises ValueError for what is no URL.
        """
        try:
            parsed = _parsed(url)
            door = self._allowed.and_door(parsed.raw_host.decode("ascii"), port_of(parsed))
            refuse_inward(parsed, door)
        except EgressError as error:
            raise ValueError(error.message) from None
        return Egress(door, resolve=self._resolve, tls=self._tls)

    def client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        """A client with connections and cookies of its own, for a library that wants one. It has to be closed.

        It follows no redirects; what a library follows by itself goes through the same guard.
        """
        return httpx2.AsyncClient(
            transport=GuardedTransport(self._allowed, resolve=self._resolve, tls=self._tls(), most=BODY_BYTES),
            headers=headers,
            timeout=timeout or httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS),
            auth=auth,
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
        )

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        seconds: float = CALL_SECONDS,
        most: int = BODY_BYTES,
    ) -> Answer:
        """Makes a request and reads the answer, whatever its status, following redirects.

        Raises ToolError: `url_not_allowed`, `tool_timeout`, `tool_response_too_large`, `tool_error`. `done` is False
        where nothing was sent.
        """
        http = self._http = self._http or self._shared()
        trip = _Trip(most)
        try:
            async with asyncio.timeout(seconds):
                first = http.build_request(method, _parsed(url), headers=headers, content=content)
                return await trip.travel(http, first)
        except (TimeoutError, UnicodeError, httpx2.HTTPError) as error:
            raise _failure(error, untold=trip.hops == 0) from None

    async def close(self) -> None:
        """Closes every connection of `fetch`."""
        if self._http is not None:
            await self._http.aclose()

    def _shared(self) -> httpx2.AsyncClient:
        client = self.client()
        # What a server sets for one caller is nothing for the next one.
        client.cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return client


@cache
def _machines_trust() -> ssl.SSLContext:
    """Whom this machine trusts; it takes long to load."""
    return ssl.create_default_context()


@dataclass(slots=True)
class _Trip:
    """A request on its way through redirects, of which `hops` are behind it."""

    most: int
    hops: int = 0

    async def travel(self, http: httpx2.AsyncClient, request: httpx2.Request) -> Answer:
        while True:
            request.extensions[MOST] = self.most
            answer = await http.send(request, stream=True, follow_redirects=False)
            try:
                onward = answer.next_request
                if onward is None and not answer.has_redirect_location:
                    return await _read(answer)
            finally:
                await answer.aclose()
            self.hops += 1
            if self.hops > MAX_REDIRECTS:
                raise EgressError("tool_error", f"The server redirected more than {MAX_REDIRECTS} times.")
            request = _onward(request, onward)


def _onward(sent: httpx2.Request, onward: httpx2.Request | None) -> httpx2.Request:
    """The request that a redirect leads to: another origin learns nothing but what anybody may know."""
    if onward is None:
        raise EgressError("url_not_allowed", "The server redirected to what is no URL.")
    if sent.url.origin == onward.url.origin:
        return onward
    if sent.url.scheme == "https" and onward.url.scheme == "http":
        raise EgressError("url_not_allowed", "The server redirected from https:// to http://.")
    if onward.method not in ("GET", "HEAD"):
        raise EgressError("url_not_allowed", "The server redirected what was sent to it to another one.")
    headers = {name: sent.headers[name] for name in KEPT_HEADERS if name in sent.headers}
    return httpx2.Request(onward.method, onward.url, headers=headers, extensions=sent.extensions)


def _failure(error: Exception, *, untold: bool) -> ToolError:
    """What is said of an exchange that failed; `untold`: before any server had answered."""
    unsent = False if untold and isinstance(error, _UNSENT) else None
    if isinstance(error, EgressError):
        done = False if untold and error.code == "url_not_allowed" else None
        return ToolError(error.code, error.message, done=done)
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return ToolError("tool_timeout", "The server did not answer in time.", done=unsent)
    if isinstance(error, _UNSENT):
        return ToolError("tool_error", "The server can't be reached.", done=unsent)
    return ToolError("tool_error", "The connection broke before the answer was whole.", done=None)


async def _read(answer: httpx2.Response) -> Answer:
    body = b"".join([data async for data in answer.aiter_raw()])
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status_code, headers, body, str(answer.url))


def _parsed(url: str) -> httpx2.URL:
    try:
        return httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):  # UnicodeError is one, too.
        raise EgressError("url_not_allowed", "This URL can't be called: it is none.") from None
