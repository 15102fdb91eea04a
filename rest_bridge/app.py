"""The ASGI application: one request in, one answer out, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from rest_bridge import headers, routes
from rest_bridge.errors import RequestError, error_body, error_headers, internal
from rest_bridge.presence import ClientLeft, Receive
from rest_bridge.routes.call import JSON, Answer, Bridge, Call
from rest_bridge.sse import Send

log = logging.getLogger(__name__)

STOPPED = "The server was stopped before the answer was there. What was asked for may have been done."


class App:
    """Raw ASGI: nothing between uvicorn and the endpoints but the table of routes."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        started = time.monotonic()
        named = headers.named(scope["headers"])
        request_id = headers.request_id(named, fresh=f"req_{uuid.uuid4().hex}")
        try:
            answer = await self._answer(scope, named, request_id, receive, send)
        except ClientLeft:
            self._note(scope, request_id, 499, started)
            return
        self._note(scope, request_id, answer.status if answer else 200, started)
        if answer is not None:
            await _send_answer(answer, request_id, send)

    async def _answer(
        self, scope: MutableMapping[str, Any], named: dict[str, str], request_id: str, receive: Receive, send: Send
    ) -> Answer | None:
        try:
            endpoint, target = routes.find(scope["method"], scope["path"])
            if endpoint is None:
                return Answer(204, headers=((b"allow", routes.allowed(scope["path"])),))
            call = Call(
                bridge=self._bridge,
                target=target,
                # A HEAD has no body, so nothing in it can be asked for, a stream least of all.
                query=b"" if scope["method"] == "HEAD" else scope["query_string"],
                headers=named,
                raw_headers=scope["headers"],
                request_id=request_id,
                receive=receive,
                send=send,
            )
            return await endpoint(call)
        except RequestError as refusal:
            return _refusal(refusal)
        except asyncio.CancelledError:
            # uvicorn's last word in a drain. The answer fits still.
            return _refusal(RequestError("server_draining", STOPPED, repeatable=False))
        except ClientLeft:
            raise
        except Exception:
            log.exception("a request failed by a bug", extra={"request_id": request_id})
            return _refusal(internal(request_id))

    def _note(self, scope: MutableMapping[str, Any], request_id: str, status: int, started: float) -> None:
        # A probe that says "not yet" does its duty.
        notable = status >= 500 and scope["path"] != "/readyz"
        if not notable and not self._bridge.settings.access_log:
            return
        log.log(
            logging.WARNING if status >= 500 else logging.INFO,
            "%s %s %d",
            scope["method"],
            ascii(scope["path"])[1:-1],
            status,
            extra={"request_id": request_id, "milliseconds": round((time.monotonic() - started) * 1000, 1)},
        )


def _refusal(refusal: RequestError) -> Answer:
    return Answer(refusal.status, error_body(refusal), (*JSON, *error_headers(refusal)))


async def _send_answer(answer: Answer, request_id: str, send: Send) -> None:
    length = [] if answer.status == 204 else [(b"content-length", b"%d" % len(answer.body))]
    sent = [*answer.headers, *length, (b"x-request-id", request_id.encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": sent})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
