"""Google's SDK as we use it: our connections, deadlines and errors around its requests and answers.

It takes a second or two to import, so nothing imports this module but `GeminiModel`, off the event loop, when it is
first asked for something.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx2
from google import genai
from google.genai import errors, types

from service.errors import NodexaError
from service.model.chat_errors import broken, stalled
from service.model.chat_upstream import RETRY_STATUSES
from service.model.deadlines import Deadlines
from service.model.gemini_errors import AskFailedError, failure, garbled, log_word, refusal
from service.model.gemini_request import GeminiRequest

log = logging.getLogger(__name__)
# It tells of every request.
logging.getLogger("httpx2").setLevel(logging.WARNING)

_IDLE_CONNECTIONS: Final = 128
_LOST: Final = "closed the connection before its answer was whole. Try again"
_FAILURES: Final[Mapping[type[Exception], tuple[Callable[[str, str], NodexaError], str, bool]]] = {
    httpx2.ConnectTimeout: (stalled, "did not accept a connection in time", False),
    httpx2.TimeoutException: (stalled, "fell silent in the middle of the request", False),
    httpx2.ConnectError: (
        broken,
        "can't be reached. Check the network, and the host, port and certificate of base_url",
        True,
    ),
    httpx2.NetworkError: (broken, _LOST, True),
    httpx2.RemoteProtocolError: (broken, _LOST, True),
    httpx2.HTTPError: (garbled, "something that is not HTTP", False),
    # What the SDK raises over JSON of another shape.
    ValueError: (garbled, "an answer of the wrong shape", False),
    TypeError: (garbled, "an answer of the wrong shape", False),
    LookupError: (garbled, "an answer of the wrong shape", False),
    AttributeError: (garbled, "an answer of the wrong shape", False),
}
"""The first that fits counts. The last value says whether a second try may help."""
_KNOWN: Final[tuple[type[Exception], ...]] = (errors.APIError, *_FAILURES)


class GeminiClient:
    """One server that speaks the Gemini API; `base_url` ends in the API's version."""

    def __init__(self, name: str, base_url: str, *, deadlines: Deadlines, tls: ssl.SSLContext) -> None:
        self._name = name
        self._deadlines = deadlines
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=_IDLE_CONNECTIONS)
        # Everything that the SDK would take from the environment is said here: backend, key, address, proxies.
        self._http = httpx2.AsyncClient(
            transport=_Transport(httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)), trust_env=False
        )
        options = types.HttpOptions(
            base_url=base_url,
            api_version="",
            httpx_async_client=self._http,
            httpx_client=httpx2.Client(transport=httpx2.HTTPTransport(verify=tls, trust_env=False), trust_env=False),
        )
        # The key is put in by the transport, anew for each request.
        self._sdk = genai.Client(vertexai=False, api_key="unset", http_options=options)

    async def ask(
        self, request: GeminiRequest, *, key: str, now: Callable[[], datetime]
    ) -> AsyncGenerator[types.GenerateContentResponse, None]:
        """Yields what comes; closing the generator closes the connection. Raises AskFailedError."""
        read = self._deadlines.idle if request.streaming else self._deadlines.reply
        call = _Call(key, {"connect": self._deadlines.connect, "read": read, "write": read, "pool": read})
        answer = self._answer(request)
        try:
            while True:
                # Set for this one step: between two yields nobody else runs in this context.
                token = _call.set(call)
                try:
                    response = await anext(answer)
                except StopAsyncIteration:
                    return
                except _KNOWN as error:
                    raise self._told(error, now=now()) from None
                finally:
                    _call.reset(token)
                yield response
        finally:
            # The SDK's generators leave their connection open until they are collected.
            if call.body is not None:
                await call.body.aclose()
            await answer.aclose()

    async def close(self) -> None:
        """Closes every connection."""
        await self._http.aclose()
        self._sdk.close()

    async def _answer(self, request: GeminiRequest) -> AsyncGenerator[types.GenerateContentResponse, None]:
        asked: dict[str, Any] = {"model": request.model, "contents": request.contents, "config": request.config}
        models = self._sdk.aio.models
        if not request.streaming:
            yield await models.generate_content(**asked)
            return
        async for response in await models.generate_content_stream(**asked):
            yield response

    def _told(self, error: Exception, *, now: datetime) -> AskFailedError:
        if not isinstance(error, errors.APIError):
            make, words, again = next(
                (told for kind, told in _FAILURES.items() if isinstance(error, kind)), _FAILURES[ValueError]
            )
            log.warning("model %s: %s", self._name, type(error).__name__)
            return AskFailedError(make(self._name, words), again=again)
        log.warning("model %s: its server answered %s %s", self._name, error.code, log_word(error.details))
        if not isinstance(error.response, httpx2.Response):
            return AskFailedError(failure(error.details, model=self._name), again=False)
        status = error.response.status_code
        headers = {name.lower(): value for name, value in error.response.headers.raw}
        refused = refusal(status, headers, error.details, model=self._name, now=now)
        return AskFailedError(refused, again=status in RETRY_STATUSES)


@dataclass(slots=True)
class _Call:
    """What the transport has to know of the turn that it works for, and the answer's body to be closed."""

    key: str
    timeout: dict[str, float]
    body: httpx2.AsyncByteStream | None = None


_call: ContextVar[_Call] = ContextVar("gemini_call")


class _Transport(httpx2.AsyncBaseTransport):
    """Gives each request the key and the deadlines of its turn."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        call = _call.get()
        request.extensions = {**request.extensions, "timeout": call.timeout}
        del request.headers["x-goog-api-key"]
        if call.key:
            request.headers["x-goog-api-key"] = call.key
        response = await self._inner.handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            call.body = response.stream
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
