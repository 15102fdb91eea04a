"""The WebSocket at /v1/responses: one message after the other, each answered by the events of a response."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest, WatchResponseRequest

from rest_bridge.core import refused
from rest_bridge.errors import RequestError, internal
from rest_bridge.headers import user_tokens, without_effect
from rest_bridge.latest import Latest, put_before, remembered, warm_up
from rest_bridge.presence import ClientLeft
from rest_bridge.routes.call import Answer, Call
from rest_bridge.routes.turn import take_turn
from rest_bridge.websocket import Close, Socket
from rest_bridge.wire import field, json
from rest_bridge.wire.event import StreamRenderer, bare, messages, refusal_event
from rest_bridge.wire.request import parse_create

CREATE, RESUME = "response.create", "response.resume"
NORMAL, RESTART = 1000, 1012
"""Codes of the registry that RFC 6455 made."""
_NO_RESPONSE: Final = "resp_00000000-0000-0000-0000-000000000000"
_PLACE: Final = re.compile(r"input\[(\d+)\]")

log = logging.getLogger(__name__)


async def connect(call: Call) -> Answer | None:
    """GET /v1/responses with an upgrade. Raises RequestError, as an HTTP answer, before the connection is accepted."""
    tokens = user_tokens(call.headers)
    await _expect_key(call)
    if call.bridge.draining:
        raise RequestError("server_draining", "The server is being stopped; connect again.")
    session = _Session(call, tokens)
    call.bridge.sockets.add(session)
    try:
        await session.run()
    finally:
        call.bridge.sockets.discard(session)
    return None


async def _expect_key(call: Call) -> None:
    # The one question that every key may ask that may make responses, and no other: after a response that isn't there.
    rpc = call.bridge.core.responses.WatchResponse(
        WatchResponseRequest(id=_NO_RESPONSE), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    try:
        await rpc.read()
    except grpc.aio.AioRpcError as error:
        refusal = refused(error)
        if refusal.code != "response_not_found":
            raise refusal from None
    finally:
        rpc.cancel()


class _Session:
    """One connection's life. `drain` lets what runs come to its end, and takes nothing new."""

    def __init__(self, call: Call, tokens: dict[str, str]) -> None:
        self._call = call
        self._tokens = tokens
        self._settings = call.bridge.settings
        self._socket = Socket(call.receive, call.send, max_waiting_bytes=self._settings.max_body_bytes)
        self._latest: Latest | None = None

    async def run(self) -> None:
        seconds = self._settings.socket_seconds
        limit = asyncio.get_running_loop().call_later(seconds, self._socket.end, _too_old(seconds))
        try:
            async with self._socket:
                while not isinstance(message := await self._socket.next(), Close):
                    await self._answer(message)
                await self._socket.close(message)
        finally:
            limit.cancel()

    def drain(self) -> None:
        self._socket.end(Close(RESTART, "The server is being stopped; connect again."))

    async def _answer(self, message: bytes) -> None:
        try:
            await self._take(message)
        except ClientLeft:
            return
        except RequestError as refusal:
            await self._refuse(refusal)
        except Exception:
            log.exception("a message failed by a bug", extra={"request_id": self._call.request_id})
            await self._refuse(internal(self._call.request_id))

    async def _refuse(self, refusal: RequestError) -> None:
        with contextlib.suppress(ClientLeft):
            await self._socket.write(refusal_event(refusal))

    async def _take(self, message: bytes) -> None:
        if self._call.bridge.draining:
            raise RequestError("server_draining", "The server is being stopped; connect again and send this again.")
        if len(message) > self._settings.max_body_bytes:
            limit = self._settings.max_body_bytes
            raise RequestError("request_too_large", f"The message has more than {limit} bytes.")
        body = json.parse_object(message)
        kind = body.pop("type", None)
        if kind == CREATE:
            await self._create(body)
        elif kind == RESUME:
            await take_turn(self._call, self._socket, _parse_resume(body))
        else:
            raise RequestError("invalid_request", f"The type of a message is {CREATE} or {RESUME}.", param="type")

    async def _create(self, body: dict[str, Any]) -> None:
        _expect_stream(body)
        generate = body.pop("generate", None)
        warms = generate is not None and not field.boolean("generate", generate)
        if warms:
            body.setdefault("input", [])
        ignored = without_effect(self._call.headers)
        request = parse_create(body, user_tokens=self._tokens, ignored=ignored).request
        latest = self._latest
        if latest is None or request.previous_response_id != latest.response_id:
            await self._run(request, warms=warms)
            return
        # Forgotten unless it goes well.
        self._latest = None
        put_before(latest, request)
        try:
            await self._run(request, warms=warms)
        except RequestError as refusal:
            refusal.param = _own_place(refusal.param, before=len(latest.items))
            raise

    async def _run(self, request: CreateResponseRequest, *, warms: bool) -> None:
        final = await (self._warm_up(request) if warms else take_turn(self._call, self._socket, request))
        if final is not None:
            self._latest = remembered(request, final, max_bytes=self._settings.max_body_bytes)

    async def _warm_up(self, request: CreateResponseRequest) -> Response:
        # The core never hears of it.
        request.settings.store = False
        now = Timestamp()
        now.GetCurrentTime()
        batch = warm_up(request, response_id=f"resp_{uuid.uuid4()}", now=now)
        for message in messages(StreamRenderer(lambda _: False, bare).render(batch)):
            await self._socket.write(message)
        return batch.events[-1].completed.response


def _expect_stream(body: Mapping[str, Any]) -> None:
    if body.get("stream") is False:
        raise RequestError(
            "unsupported_parameter",
            "A WebSocket always streams; leave stream out, or POST the request.",
            param="stream",
        )


def _parse_resume(body: Mapping[str, Any]) -> WatchResponseRequest:
    """The rest of a stored response's events: an extension, for clients that lost their connection."""
    if unknown := body.keys() - {"response_id", "starting_after"}:
        name = min(unknown)
        raise RequestError("invalid_request", f"{RESUME} has no {name[:64]!r}.", param=name[:64])
    if body.get("response_id") is None:
        raise RequestError("missing_required_field", "response_id is required.", param="response_id")
    request = WatchResponseRequest(id=field.text("response_id", body["response_id"]))
    if body.get("starting_after") is not None:
        request.starting_after = field.integer("starting_after", body["starting_after"])
    return request


def _own_place(param: str, *, before: int) -> str:
    """The field at fault by the caller's own count, who did not send the `before` items that were put first."""
    found = _PLACE.match(param)
    if found is None:
        return param
    place = int(found[1]) - before
    return f"input[{place}]{param[found.end() :]}" if place >= 0 else "previous_response_id"


def _too_old(seconds: float) -> Close:
    refusal = RequestError(
        "websocket_connection_limit_reached",
        f"A connection may be open for {seconds / 60:g} minutes. Open a new one to go on.",
    )
    return Close(NORMAL, "", refusal_event(refusal))
