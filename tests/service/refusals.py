"""An error as a gRPC client sees it: read from the status details, as the contract says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is told of an error; `retry_after` is in seconds, None where nothing is said."""

    status: str
    reason: str
    domain: str
    message: str
    param: str
    response_id: str
    retry_after: int | None
    request_id: str


async def refusal(call: Awaitable[Any] | AsyncIterator[Any]) -> Refusal:
    """The error that the call ends with; a call that succeeds fails the test."""
    try:
        if isinstance(call, AsyncIterator) or hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return read(error)
    raise AssertionError("the call was not refused")


def read(error: grpc.aio.AioRpcError) -> Refusal:
    """The error in parts. What grpc says itself, without details, has no reason."""
    trailing = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailing.get("grpc-status-details-bin", b""))
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details:
        assert detail.Unpack(info) or detail.Unpack(retry)
    if status.details:
        assert (status.code, status.message) == (error.code().value[0], error.details())
    return Refusal(
        status=error.code().name,
        reason=info.reason,
        domain=info.domain,
        message=error.details() or "",
        param=info.metadata["param"],
        response_id=info.metadata["response_id"],
        retry_after=retry.retry_delay.seconds if retry.HasField("retry_delay") else None,
        request_id=str(trailing.get("x-request-id", "")),
    )
