"""An HTTP client for the Python SDK that keeps a copy of everything that was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai

from tests.sdk.wire_check import Exchange


class Recorder:
    """Gives SDK clients their HTTP clients; `exchanges` are all answers that these got, retries included."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def http(self) -> httpx2.Client:
        """For the client that blocks."""
        return openai.DefaultHttpxClient(event_hooks={"response": [self._record]}, trust_env=False)

    def async_http(self) -> httpx2.AsyncClient:
        """For the asynchronous client."""
        return openai.DefaultAsyncHttpxClient(event_hooks={"response": [self._record_async]}, trust_env=False)

    def _record(self, response: httpx2.Response) -> None:
        request = response.request
        exchange = Exchange(request.method, str(request.url), response.status_code, response.headers)
        self.exchanges.append(exchange)
        response.stream = _Copied(response.stream, exchange)

    async def _record_async(self, response: httpx2.Response) -> None:
        self._record(response)


class _Copied(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of an answer, copied into its exchange as it is read."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._exchange.body += data
            yield data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            self._exchange.body += data
            yield data

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()
