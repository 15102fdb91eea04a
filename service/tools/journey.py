"""How a request of `egress` travels: through redirects, to the end of its answer, or to what is said of its failure."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx2

from service.tools.egress import CONNECT_SECONDS, IDLE_SECONDS, MAX_REDIRECTS, Answer
from service.tools.guard import MOST, EgressError
from service.tools.tool import ToolError

# They tell of every request, with its URL.
for name in ("httpx2", "httpcore2"):
    logging.getLogger(name).setLevel(logging.WARNING)

KEPT_HEADERS: Final = ("accept", "accept-language", "user-agent")
"""What goes along to another origin."""
_UNSENT: Final = (
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.LocalProtocolError),
    UnicodeError,  # a header that can't be written
)
FAILURES: Final = (TimeoutError, UnicodeError, httpx2.HTTPError)
"""How a journey ends that brings no answer."""


@cache
def machines_trust() -> ssl.SSLContext:
    """Whom this machine trusts; it takes long to load."""
    return ssl.create_default_context()


def client(
    transport: httpx2.AsyncBaseTransport,
    *,
    headers: dict[str, str] | None,
    timeout: httpx2.Timeout | None,
    auth: httpx2.Auth | None,
) -> httpx2.AsyncClient:
    """A client over `transport` that follows no redirects and asks no proxy. It has to be closed."""
    return httpx2.AsyncClient(
        transport=transport,
        headers=headers,
        timeout=timeout or httpx2.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS),
        auth=auth,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
    )


def forgetful(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """The client without cookies: what a server sets for one caller is nothing for the next one."""
    client.cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return client


@dataclass(slots=True)
class Trip:
    """A request on its way through redirects, of which `hops` are behind it."""

    most: int
    hops: int = 0

    async def travel(self, http: httpx2.AsyncClient, request: httpx2.Request) -> Answer:
        """Goes to the end of the way. Raises what is in FAILURES."""
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


def failure(error: Exception, *, untold: bool) -> ToolError:
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
