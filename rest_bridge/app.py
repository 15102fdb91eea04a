"""The ASGI application: one request in, one answer out, whatever happens on the way."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping

from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rest_bridge import headers
from rest_bridge.body import BODY_KEY
from rest_bridge.errors import RequestError, error_body, error_headers, internal
from rest_bridge.presence import DEPARTURE_KEY, ClientLeft, Departure
from rest_bridge.reply import REPLY_KEY, Reply
from rest_bridge.routes import PLAIN, starlette_routes
from rest_bridge.routes.call import JSON, SCOPE_KEY, Answer, Bridge, Call, replied, send_answer

log = logging.getLogger(__name__)

_HEADS = ("http.response.start", "websocket.accept")
AT_ONCE = 64
STOPPED = "The server was stopped before the answer was there. What was asked for may have been done."


def make_app(bridge: Bridge) -> ASGIApp:
    """The application that answers for `bridge`."""
    # An address with one slash too many is another address: a redirected POST would lose its body.
    return Envelope(Router(starlette_routes(), redirect_slashes=False, default=_nowhere), bridge=bridge)


class Envelope:
    """Around every request: its id, its error answer, its line in the log. Raw ASGI, so that streams pass untouched."""

    def __init__(self, router: ASGIApp, *, bridge: Bridge) -> None:
        self._router = router
        self._bridge = bridge
        self._chances: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        head: headers.Head = scope.get(headers.HEAD_KEY) or headers.Head(scope["headers"])
        named = head.named
        request_id = headers.request_id(named, fresh=self._fresh_id)
        mark = (b"x-request-id", request_id.encode())
        status = 499
        upgrade = scope["type"] == "websocket"
        # Taken out, for it knows the scope: together they would wait for the garbage collector.
        reply: Reply | None = scope.pop(REPLY_KEY, None)
        if reply is not None:
            reply.mark = b"%b: %b\r\n" % mark

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] in _HEADS:
                status = message.get("status", 101)
                message["headers"] = [*message.get("headers", ()), mark]
            if upgrade and message["type"].startswith("http."):
                message["type"] = f"websocket.{message['type']}"
            await send(message)

        scope[SCOPE_KEY] = call = self._call(scope, head, request_id, receive=receive, send=send_marked, reply=reply)
        answer = await self._run(call, scope)
        # It knows the scope by `receive`: together they would wait for the garbage collector.
        del scope[SCOPE_KEY]
        if answer is not None and upgrade:
            await send_answer(answer, send_marked)
        elif answer is not None:
            status = answer.status
            if not replied(answer, reply):
                await send_answer(answer, send, mark)
        elif reply is not None and reply.begun:
            status = 200
        self._note(scope, request_id, status, started, named)

    def _call(
        self, scope: Scope, head: headers.Head, request_id: str, *, receive: Receive, send: Send, reply: Reply | None
    ) -> Call:
        return Call(
            bridge=self._bridge,
            # A HEAD has no body, so nothing in it can be asked for, a stream least of all.
            query=b"" if scope.get("method") == "HEAD" else scope["query_string"],
            headers=head.named,
            head=head,
            request_id=request_id,
            receive=receive,
            send=send,
            departure=scope.get(DEPARTURE_KEY) or Departure(),
            reply=reply,
            body=scope.get(BODY_KEY),
        )

    def _fresh_id(self) -> str:
        # Many at once: each question to the system costs as much as ten of them.
        if not self._chances:
            chance = secrets.token_hex(AT_ONCE * 16)
            self._chances.extend(chance[at : at + 32] for at in range(0, len(chance), 32))
        return f"req_{self._chances.pop()}"

    async def _run(self, call: Call, scope: Scope) -> Answer | None:
        """Runs the request; returns the answer that is still to be sent, if one is."""
        try:
            # Nearly all requests are for an address without a name in it: no pattern need be tried for them.
            if (methods := PLAIN.get(scope["path"])) is not None and scope["type"] == "http":
                return await methods.answer(scope)
            await self._router(scope, call.receive, call.send)
        except ClientLeft:
            return None
        except RequestError as refusal:
            return _refusal(refusal)
        except asyncio.CancelledError:
            # uvicorn's last word in a drain. The answer fits still.
            return _refusal(RequestError("server_draining", STOPPED, repeatable=False))
        except Exception:
            log.exception("a request failed by a bug", extra={"request_id": call.request_id})
            return _refusal(internal(call.request_id))
        return None

    def _note(self, scope: Scope, request_id: str, status: int, started: float, named: Mapping[str, str]) -> None:
        # A probe that says "not yet" does its duty.
        notable = status >= 500 and scope["path"] != "/readyz"
        if not notable and not self._bridge.settings.access_log:
            return
        retry = headers.retry_count(named)
        log.log(
            logging.WARNING if status >= 500 else logging.INFO,
            "%s %s %d",
            scope.get("method", "WEBSOCKET"),
            ascii(scope["path"])[1:-1],
            status,
            extra={"request_id": request_id, "milliseconds": round((time.monotonic() - started) * 1000, 1)}
            | ({"retry": retry} if retry else {}),
        )


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    raise RequestError("not_found", "There is nothing at this address. Responses are at /v1/responses.")


def _refusal(refusal: RequestError) -> Answer:
    return Answer(refusal.status, error_body(refusal), (*JSON, *error_headers(refusal)))
