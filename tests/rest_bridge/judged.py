"""Every answer that a client of these tests gets is judged as it is read, whatever the test itself looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2

from tests.contract.told import check_answer


async def judge(response: Any) -> None:
    """An event hook of httpx, and of httpx2, which is the SDK's: judges the answer when its body was read or left."""
    response.stream = _Judged(response, ours=response.request.headers.get("x-nodexa-dialect") == "nodexa")


async def judge_either(response: Any) -> None:
    """The same where the key may have been made for Nodexa's own dialect."""
    response.stream = _Judged(response, ours=True)


class _Judged(httpx.AsyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, response: Any, *, ours: bool) -> None:
        self._response = response
        self._stream = response.stream
        self._ours = ours
        self._body: list[bytes] | None = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._stream:
            if self._body is not None:
                self._body.append(data)
            yield data
        self._judge()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._judge()

    def _judge(self) -> None:
        if self._body is not None:
            body, self._body = b"".join(self._body), None
            told = self._response
            if int(told.headers.get("content-length", len(body))) == len(body):
                kind = told.headers.get("content-type", "")
                check_answer(str(told.url), told.status_code, kind, body, ours=self._ours)
