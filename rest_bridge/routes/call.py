"""What an endpoint is given and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import grpc

from rest_bridge.body import read_json_body
from rest_bridge.core import Core, refused
from rest_bridge.headers import Head, Metadata
from rest_bridge.hop_call import HopCall
from rest_bridge.presence import ClientLeft, Departure, Presence, Receive
from rest_bridge.reply import Reply
from rest_bridge.settings import Settings
from rest_bridge.sse import Send
from rest_bridge.wire import json

JSON: Final = ((b"content-type", b"application/json"),)
SCOPE_KEY: Final = "nodexa.call"
"""Where the Call of a request stands in its ASGI scope."""
T = TypeVar("T")


class Interruptible(Protocol):
    """A stream that can be made to end before its time."""

    def interrupt(self) -> None:
        """Tells the client why, and ends."""


class Drainable(Protocol):
    """A connection that may carry more than one request."""

    def drain(self) -> None:
        """Ends behind what runs."""


@dataclasses.dataclass(slots=True)
class Bridge:
    """What all calls share. `streams` and `sockets` are the open ones; `draining` is set once no more should come."""

    core: Core
    settings: Settings
    streams: set[Interruptible] = dataclasses.field(default_factory=set)
    sockets: set[Drainable] = dataclasses.field(default_factory=set)
    draining: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; its length and request id are added where it is sent."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = JSON


@dataclasses.dataclass(slots=True)
class Call:
    """One HTTP request on its way to an endpoint.

    `body` is what was sent, where all of it came with the head. `target` is the id in the path, and `part` the id of
    what is in it; empty where there is none.
    """

    bridge: Bridge
    query: bytes
    headers: Mapping[str, str]
    head: Head
    request_id: str
    receive: Receive
    send: Send
    departure: Departure
    reply: Reply | None = None
    body: bytes | None = None
    target: str = ""
    part: str = ""

    def metadata(self) -> Metadata:
        """What goes beside a gRPC request. Raises RequestError where the headers can't be."""
        return self.head.metadata(self.request_id)

    async def json(self) -> bytes:
        """The body, which must be JSON. Raises as read_json_body."""
        settings = self.bridge.settings
        return await read_json_body(
            self.receive,
            self.headers,
            max_bytes=settings.max_body_bytes,
            timeout_seconds=settings.body_seconds,
            at_hand=self.body,
        )

    async def ask(self, rpc: Awaitable[T], *, repeatable: bool = True) -> T:
        """The reply of a unary call to the core, which is cancelled when the client leaves.

        Raises RequestError for what the core refuses, and ClientLeft.
        """
        try:
            if isinstance(rpc, HopCall):
                return await self._told(rpc)
            async with Presence(self.departure):
                return await rpc
            raise AssertionError("an ended block has returned or raised")
        except grpc.aio.AioRpcError as error:
            raise refused(error, repeatable=repeatable) from None

    async def _told(self, rpc: HopCall[T]) -> T:
        # Such a call can be ended by whoever knows it: nothing has to cancel this task.
        self.departure.tell(rpc.cancel)
        try:
            return await rpc
        except grpc.aio.AioRpcError:
            if self.departure.over:
                raise ClientLeft from None
            raise
        finally:
            self.departure.forget(rpc.cancel)


async def send_answer(answer: Answer, send: Send, *marks: tuple[bytes, bytes]) -> None:
    """Sends a whole answer, with these headers besides."""
    length = [] if answer.status == 204 else [(b"content-length", b"%d" % len(answer.body))]
    sent = [*answer.headers, *length, *marks]
    await send({"type": "http.response.start", "status": answer.status, "headers": sent})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def replied(answer: Answer, reply: Reply | None) -> bool:
    """Whether `reply` could send the answer, as the usual one that it must be."""
    if reply is None or answer.status != 200 or answer.headers != JSON:
        return False
    return reply.whole(b"content-type: application/json\r\ncontent-length: %d\r\n" % len(answer.body), answer.body)


Endpoint = Callable[[Call], Awaitable[Answer | None]]
"""Returns the answer, or None when it has sent one itself. Raises RequestError for every refusal."""


def answer(value: Any, *headers: tuple[bytes, bytes]) -> Answer:
    """A good answer: 200 with `value` as JSON."""
    return Answer(200, json.dump(value), (*JSON, *headers))


def noting(shown: dict[str, Any], ignored: list[str], *headers: tuple[bytes, bytes]) -> Answer:
    """The same, with what had no effect in the request."""
    told = {**shown.get("nodexa", {}), "ignored": ignored}
    return answer(shown | {"nodexa": told} if ignored else shown, *headers)


async def json_body(call: Call) -> dict[str, Any]:
    """The JSON object that was sent. Raises RequestError and ClientLeft."""
    return json.parse_object(await call.json())


def page(entries: list[dict[str, Any]], *, has_more: bool) -> Answer:
    """A list as the SDKs page through it: the cursor of the next page is the last id."""
    return answer(page_object(entries, has_more=has_more))


def page_object(entries: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """The object that `page` answers with."""
    # OpenAI's document has texts here, also where there is nothing.
    return {
        "object": "list",
        "data": entries,
        "first_id": entries[0]["id"] if entries else "",
        "last_id": entries[-1]["id"] if entries else "",
        "has_more": has_more,
    }
