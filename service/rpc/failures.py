"""Errors on the gRPC wire: a google.rpc.Status with one ErrorInfo, and no text of any exception but our own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from service.errors import NodexaError
from service.rpc.rates import told
from service.runner.limits import LimitError

DETAILS_KEY = "grpc-status-details-bin"
MAX_MESSAGE_BYTES: Final = 1000
"""Messages quote what callers sent, and gRPC clients drop an answer with more than 8 to 16 kB of metadata."""


async def abort(
    context: grpc.aio.ServicerContext[Message, Message], error: NodexaError, *, request_id: str
) -> NoReturn:
    """Ends the RPC with `error`. Raises grpc.aio.AbortError always."""
    code = grpc.StatusCode[error.status]
    number, _ = code.value
    message = _cut(error.message)
    status = Status(code=number, message=message, details=[_packed(detail) for detail in _details(error)])
    rates = told(error.standing) if isinstance(error, LimitError) else ()
    details: tuple[tuple[str, str | bytes], ...] = ((DETAILS_KEY, status.SerializeToString()),)
    metadata = (("x-request-id", request_id), *details, *rates)
    await context.abort(code, message, metadata)
    raise AssertionError("abort returned")


def _details(error: NodexaError) -> Sequence[Message]:
    info = ErrorInfo(reason=error.code, domain="nodexa")
    if error.param:
        info.metadata["param"] = error.param
    if error.response_id:
        info.metadata["response_id"] = error.response_id
    if error.retry_after is None:
        return [info]
    retry = RetryInfo()
    retry.retry_delay.FromSeconds(math.ceil(error.retry_after))
    return [info, retry]


def _cut(message: str) -> str:
    data = message.encode()
    return message if len(data) <= MAX_MESSAGE_BYTES else data[:MAX_MESSAGE_BYTES].decode(errors="ignore") + " …"


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
