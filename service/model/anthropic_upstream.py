"""Anthropic's Messages API through its own SDK: a body goes in, batches of chunks come out; the only user of the SDK.

The SDK builds the requests, speaks HTTP and tells failures apart. What it would do beyond that is turned off: proxies,
credentials and headers out of the environment, retries that pay twice, reports about this machine. The answer is read
as bytes, all events of one read at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import anthropic
import httpx2

from service.errors import NodexaError
from service.model.anthropic_errors import OVERLOADED, garbled, status_error
from service.model.anthropic_reply import JsonReader, StreamReader, token_count
from service.model.chat_errors import RefusedError, broken, log_words, stalled
from service.model.chat_upstream import RETRIES, RETRY_STATUSES
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines
from service.model.http_client import default_tls

Body = dict[str, Any]
Ask = Callable[..., AbstractAsyncContextManager[Any]]

log = logging.getLogger(__name__)
# They tell of each request, and at DEBUG of all that is in it.
for _noisy in ("anthropic", "httpx2", "httpcore2"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)

API: Final = "https://api.anthropic.com"
FIRST_BACKOFF: Final = 0.2
MAX_SHORT_BYTES: Final = 64 * 1024
DRAIN_SECONDS: Final = 0.25
# What a request needs; the SDK also sends the system, the architecture and the versions that it runs on.
HEADERS: Final = frozenset(
    {"host", "accept", "authorization", "content-type", "content-length", "anthropic-version", "connection"}
)
# A whole answer may take minutes, in which a network on the way would forget a connection that is silent.
ALIVE: Final = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), 60)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL")
        if hasattr(socket, name)
    ),
]
UNCOUNTED: Final = frozenset({404, 405, 501})


class AnthropicUpstream:
    """One model's server. `name` is the model that callers know; `base_url` is empty for Anthropic's own.

    `api_key` is asked at each request; it raises NodexaError where there is none and returns "" where none is needed.
    Failures before the first chunk are tried again where that can help and costs nothing.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        api_key: Callable[[], str],
        deadlines: Deadlines,
        tls_context: Callable[[], ssl.SSLContext] = default_tls,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._api_key = api_key
        self._deadlines = deadlines
        self._sleep = sleep
        self._chance = chance
        self._now = now
        # The SDK's paths begin with /v1; other kinds of models have it in their base_url, so it's let pass here.
        url = base_url.rstrip("/").removesuffix("/v1") or API
        transport = _Transport(
            verify=tls_context() if url.startswith("https:") else False,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=128),
            socket_options=ALIVE,
        )
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False)
        client = anthropic.AsyncAnthropic(
            api_key="", base_url=url, max_retries=0, http_client=self._http, open_telemetry=False
        )
        self._messages: Any = client.messages.with_streaming_response

    async def stream(self, body: Body, *, streaming: bool, summary: bool) -> AsyncGenerator[list[Chunk], None]:
        """Posts `body` and yields what each read brings. Raises NodexaError."""
        ask = partial(self._messages.create, model="", max_tokens=1, messages=(), stream=streaming)
        make = StreamReader if streaming else JsonReader
        reader = make(self._name, summary=summary)
        async with self._asked(ask, body, streaming=streaming) as response:
            read = response.iter_bytes()
            while not reader.done and (data := await self._read(read)):
                if chunks := reader.feed(data):
                    yield chunks
            yield reader.end()
            await self._drain(read)

    async def count(self, body: Body) -> int | None:
        """Returns the tokens of a prompt; None where the server doesn't count them. Raises NodexaError."""
        ask = partial(self._messages.count_tokens, model="", messages=())
        text = b""
        try:
            async with self._asked(ask, body, streaming=False) as response:
                read = response.iter_bytes()
                while data := await self._read(read):
                    text += data
                    if len(text) > MAX_SHORT_BYTES:
                        raise garbled(self._name, "more than was asked for")
        except RefusedError as refused:
            if refused.http_status in UNCOUNTED:
                return None
            raise
        return token_count(text, self._name)

    async def close(self) -> None:
        """Closes every connection; what is under way fails."""
        await self._http.aclose()

    @asynccontextmanager
    async def _asked(self, ask: Ask, body: Body, *, streaming: bool) -> AsyncIterator[Any]:
        """The successful answer to a request, closed at the end whatever was read of it."""
        key = self._api_key()
        idle = self._deadlines.idle if streaming else self._deadlines.reply
        ask = partial(
            ask,
            # In place of the SDK's own arguments: it would walk through all of them, and a conversation may be long.
            extra_body=body,
            extra_headers={"Authorization": f"Bearer {key}" if key else anthropic.omit},
            timeout=httpx2.Timeout(idle, connect=self._deadlines.connect),
        )
        async with AsyncExitStack() as stack:
            yield await self._answered(ask, stack)

    async def _answered(self, ask: Ask, stack: AsyncExitStack) -> Any:
        for attempt in range(RETRIES + 1):
            try:
                return await stack.enter_async_context(ask())
            except anthropic.APIError as failure:
                if attempt == RETRIES or not _passes(failure):
                    raise self._told(failure) from None
            await self._sleep(FIRST_BACKOFF * 2**attempt * (0.5 + self._chance()))
        raise AssertionError("unreachable")

    async def _read(self, read: AsyncIterator[bytes]) -> bytes:
        """Returns the next bytes; none at the end."""
        try:
            return await anext(read, b"")
        except httpx2.HTTPError as failure:
            raise self._lost(failure) from None

    async def _drain(self, read: AsyncIterator[bytes]) -> None:
        """Reads what is left behind the last event, so that the connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await anext(read, b""):
                    pass
        except (TimeoutError, httpx2.HTTPError):
            pass  # Then it can't, and is closed.

    def _told(self, failure: anthropic.APIError) -> NodexaError:
        if not isinstance(failure, anthropic.APIStatusError):
            cause = failure.__cause__
            return self._lost(cause if isinstance(cause, httpx2.HTTPError) else httpx2.ReadError(""))
        text = failure.response.content
        log.warning("model %s: its server answered %d %s", self._name, failure.status_code, log_words(text))
        headers = {name.lower(): value for name, value in failure.response.headers.raw}
        return status_error(failure.status_code, headers, text, model=self._name, now=self._now())

    def _lost(self, failure: httpx2.HTTPError) -> NodexaError:
        log.warning("model %s: %s: %s", self._name, type(failure).__name__, failure)
        make, words = next((FAILURES[kind] for kind in type(failure).__mro__ if kind in FAILURES), LOST)
        if isinstance(failure, httpx2.RemoteProtocolError) and not _is_cut(failure):
            return garbled(self._name, "something that is not HTTP")
        return make(self._name, words)


class _Transport(httpx2.AsyncHTTPTransport):
    """Sends the headers that are needed, and no others."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: value for name, value in request.headers.items() if name in HEADERS}
        headers |= {"user-agent": "nodexa", "accept-encoding": "identity"}
        needed = httpx2.Request(
            request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
        )
        return await super().handle_async_request(needed)


def _passes(failure: anthropic.APIError) -> bool:
    """Whether the failure may be gone at the next try, and no answer was begun that would be paid for."""
    if isinstance(failure, anthropic.APIStatusError):
        return failure.status_code in RETRY_STATUSES or failure.status_code == OVERLOADED
    cause = failure.__cause__
    if isinstance(cause, httpx2.RemoteProtocolError):
        return _is_cut(cause)
    return isinstance(cause, httpx2.NetworkError)


def _is_cut(failure: httpx2.RemoteProtocolError) -> bool:
    return "disconnected" in str(failure) or "closed connection" in str(failure)


LOST: Final = (broken, "closed the connection before its answer was whole. Try again; its log says why")
FAILURES: Mapping[type, tuple[Callable[[str, str], NodexaError], str]] = {
    httpx2.ConnectError: (
        broken,
        "can't be reached. Check that it runs, and the host, port and certificate of base_url",
    ),
    httpx2.ConnectTimeout: (stalled, "did not accept a connection in time"),
    httpx2.TimeoutException: (stalled, "fell silent in the middle of the request"),
    httpx2.DecodingError: (broken, "sent an answer in an encoding that wasn't asked for"),
}
