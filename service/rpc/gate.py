"""Stands before every servicer: request id, caller, access, and the mapping of every exception."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, NoReturn, Protocol, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message
from nodexa.v1.admin_pb2 import ApiKey

from service.errors import NodexaError
from service.ids import NewId
from service.rpc.access import COUNTED, check_access
from service.rpc.caller import CALLER, REQUEST_ID, Authenticator
from service.rpc.failures import abort
from service.rpc.head import send_head
from service.rpc.open_calls import OpenCall, OpenCalls
from service.runner.flow import Flow
from service.runner.runs import told_singly

_OURS: Final = "/nodexa."
_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")
# In a name of ours: each look at a constant of a message's class costs as much as a call.
_NODEXA: Final = ApiKey.DIALECT_NODEXA

# Quoted: only the type stubs know that they are generic.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

log = logging.getLogger(__name__)


class Passing(Protocol):
    """The context of a bridge's call."""

    async def pass_on(self, flow: Flow) -> None:
        """Sends what a log says, to its end."""


class Gate(grpc.aio.ServerInterceptor):
    """Wraps the handlers of our own services; health and reflection pass, and bridges, whose calls come one by one."""

    def __init__(self, authenticator: Authenticator, calls: OpenCalls, new_id: NewId) -> None:
        self.authenticator = authenticator
        self.calls = calls
        self._new_id = new_id

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Returns the handler with the gate before it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS) or handler.stream_stream is not None:
            return handler
        if handler.unary_stream is None:
            return self.before(handler, method)
        guarded = self._streaming(handler, method, flowing=False)
        return grpc.unary_stream_rpc_method_handler(guarded, None, _encode_singly)

    def before(self, handler: Handler, method: str) -> Handler:
        """The handler of `method` with the gate before it, for bridges."""
        # Without a deserializer the bytes come as they are: they are read when it is known who sent them.
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(self._streaming(handler, method, flowing=True), None, _encode)
        return grpc.unary_unary_rpc_method_handler(self._unary(handler, method), None, _encode)

    def _unary(self, handler: Any, method: str) -> Any:
        unary, read = handler.unary_unary, handler.request_deserializer

        async def answer(data: bytes, context: Context) -> Message:
            request_id = self.request_id(context)
            try:
                with await self._admitted(method, context, request_id):
                    answered: Message = await unary(_decode(data, read), context)
                    return answered
            except Exception as error:  # noqa: BLE001 - each becomes what may be told of it
                # gRPC keeps what ends a call, this frame with it, until Python looks for garbage.
                del data
                await refuse(error, method, context, request_id)

        return answer

    def _streaming(self, handler: Any, method: str, *, flowing: bool) -> Any:
        stream = handler.unary_stream if flowing else _without_flows(handler.unary_stream)
        read = handler.request_deserializer

        async def answer(data: bytes, context: Context) -> AsyncGenerator[bytes, None]:
            request_id = self.request_id(context)
            try:
                with await self._admitted(method, context, request_id) as call:
                    async with aclosing(stream(_decode(data, read), context)) as messages:
                        async for message in messages:
                            if isinstance(message, Flow):
                                await cast(Passing, context).pass_on(message)
                                continue
                            call.writing = True
                            yield message
                            call.written()
            except Exception as error:  # noqa: BLE001 - each becomes what may be told of it
                # gRPC keeps what ends a call, this frame with it, until Python looks for garbage.
                del data
                await refuse(error, method, context, request_id)

        return answer

    def request_id(self, context: Context) -> str:
        """What the call is known by, which is told with its end, too."""
        given = str(dict(context.invocation_metadata() or ()).get("x-request-id", ""))
        request_id = given if _REQUEST_ID.fullmatch(given) else self._new_id("req")
        context.set_trailing_metadata((("x-request-id", request_id),))
        return request_id

    async def _admitted(self, method: str, context: Context, request_id: str) -> OpenCall:
        self.calls.expect_room()
        metadata = tuple(context.invocation_metadata() or ())
        caller = self.authenticator.at_hand(metadata) or await self.authenticator.caller(metadata)
        check_access(method, caller)
        CALLER.set(caller)
        REQUEST_ID.set(request_id)
        if caller.dialect == _NODEXA and not (caller.limited and method in COUNTED):
            await send_head(context, caller)
        return OpenCall(self.calls, caller.key_id)


def _without_flows(stream: Any) -> Any:
    """The same for those who take one message after the other."""

    async def answer(request: Message, context: Context) -> AsyncGenerator[Any, None]:
        async with aclosing(stream(request, context)) as messages:
            async for message in messages:
                if not isinstance(message, Flow):
                    yield message
                    continue
                async with aclosing(message.pulled()) as pulled:
                    async for piece in pulled:
                        yield piece

    return answer


async def refuse(error: Exception, method: str, context: Context, request_id: str) -> NoReturn:
    """Ends the call with `error`, or with what may be told of it."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, NodexaError):
        log.error("%s failed by a bug (request %s)", method, request_id, exc_info=error)
        message = f"The platform failed; tell the operator the request id {request_id}."
        error = NodexaError("internal_error", message)
    await abort(context, error.bare(), request_id=request_id)


def _decode(data: bytes, read: Callable[[bytes], Message]) -> Message:
    try:
        return read(data)
    except DecodeError as error:
        raise NodexaError("invalid_request", "The request's bytes are not a message of this RPC.") from error


def _encode(message: Message | bytes) -> bytes:
    """Batches of events and final responses arrive as the bytes that went to disk; nothing is serialized twice."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def _encode_singly(message: Message | bytes) -> bytes:
    """The same for those who aren't bridges: they get each event by itself."""
    return told_singly(message) if isinstance(message, bytes) else message.SerializeToString()
