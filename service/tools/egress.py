"""The one HTTP client for everything that a request can aim: it reaches the public internet, and what is allowed.

The library beneath takes four megabytes and a tenth of a second: it is imported when the first URL is looked at.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from service.errors import NodexaError
from service.tools.addresses import Address, Allowance
from service.tools.tool import CALL_SECONDS

if TYPE_CHECKING:
    import httpx2

MAX_REDIRECTS: Final = 5
BODY_BYTES: Final = 8 * 1024 * 1024
"""How much of an answer's body is read at most, unpacked."""
CONNECT_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 30.0

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Host name and port → all its addresses. Raises OSError."""


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
        resolve: Resolve | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._tls = tls
        self._http: httpx2.AsyncClient | None = None

    def check(self, url: str, param: str) -> None:
        """Raises NodexaError `url_not_allowed` for what is no URL, or one that leads inwards. Opens no socket."""
        from service.tools import guard  # noqa: PLC0415

        try:
            guard.refuse_inward(guard.parsed(url), self._allowed)
        except guard.EgressError as error:
            raise NodexaError(error.code, error.message, param=param) from None

    def beside(self, url: str) -> Egress:
        """Another client, with connections of its own, that also reaches the host of a URL, at its port.

        For addresses that the operator wrote. Raises ValueError for what is no URL.
        """
        from service.tools import guard  # noqa: PLC0415

        try:
            parsed = guard.parsed(url)
            door = self._allowed.and_door(parsed.raw_host.decode("ascii"), guard.port_of(parsed))
            guard.refuse_inward(parsed, door)
        except guard.EgressError as error:
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
        from service.tools import guard, journey  # noqa: PLC0415

        tls = (self._tls or journey.machines_trust)()
        transport = guard.GuardedTransport(
            self._allowed, resolve=self._resolve or guard.resolve, tls=tls, most=BODY_BYTES
        )
        return journey.client(transport, headers=headers, timeout=timeout, auth=auth)

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
        from service.tools import guard, journey  # noqa: PLC0415

        if self._http is None:
            self._http = journey.forgetful(self.client())
        trip = journey.Trip(most)
        try:
            async with asyncio.timeout(seconds):
                first = self._http.build_request(method, guard.parsed(url), headers=headers, content=content)
                return await trip.travel(self._http, first)
        except journey.FAILURES as error:
            raise journey.failure(error, untold=trip.hops == 0) from None

    async def close(self) -> None:
        """Closes every connection of `fetch`."""
        if self._http is not None:
            await self._http.aclose()
