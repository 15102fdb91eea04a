"""The core as the bridge sees it, however it is reached, and what its errors mean over HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from nodexa.v1.admin_service_pb2_grpc import AdminServiceStub
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.file_service_pb2_grpc import FileServiceStub
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub
from nodexa.v1.user_service_pb2_grpc import UserServiceStub
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceStub

from rest_bridge.errors import RequestError

if TYPE_CHECKING:
    from nodexa.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceAsyncStub
    from nodexa.v1.file_service_pb2_grpc import FileServiceAsyncStub
    from nodexa.v1.response_service_pb2_grpc import ResponseServiceAsyncStub
    from nodexa.v1.user_service_pb2_grpc import UserServiceAsyncStub
    from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceAsyncStub

DETAILS_KEY: Final = "grpc-status-details-bin"
DOMAIN: Final = "nodexa"
RATES: Final = "x-ratelimit-"

_PARAMS: Final = MappingProxyType(
    {
        "page_token": "after",
        "page_size": "limit",
        "compact_threshold": "context_management[0].compact_threshold",
        "request_id": "Idempotency-Key",
        "expires_after_seconds": "expires_after[seconds]",
        "expires_after_days": "expires_after.days",
    }
)
"""Fields of the contract that have another name over HTTP."""

_BY_STATUS: Final = MappingProxyType(
    {
        grpc.StatusCode.INVALID_ARGUMENT: ("invalid_request", "The request is not valid."),
        grpc.StatusCode.UNAUTHENTICATED: ("invalid_api_key", "The API key is not valid."),
        grpc.StatusCode.PERMISSION_DENIED: ("insufficient_scope", "The API key's scopes do not reach this."),
        grpc.StatusCode.NOT_FOUND: ("not_found", "There is nothing here."),
        grpc.StatusCode.UNAVAILABLE: ("service_unavailable", "The core can't be reached now; try again soon."),
        grpc.StatusCode.CANCELLED: ("service_unavailable", "The core ended the call; try again soon."),
        grpc.StatusCode.RESOURCE_EXHAUSTED: ("service_unavailable", "The core is at its limit; try again soon."),
        grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline_exceeded", "The core did not answer in time."),
        grpc.StatusCode.UNIMPLEMENTED: ("not_found", "The core does not know this call; it may be older."),
    }
)
"""What an error of the core means that does not say it itself."""


class Way(Protocol):
    """How the core is reached."""

    channel: grpc.aio.Channel
    """What stubs make their calls with."""

    def connected(self) -> bool:
        """Whether a call would go out at once; starts to connect if not."""

    async def ready(self) -> None:
        """Returns when the core can be reached. Any number may wait."""

    async def serving(self, *, timeout: float) -> bool:
        """Whether the core says that it takes requests. A core that can't be reached doesn't."""

    async def close(self) -> None:
        """Ends the way, and every call on it."""


class Core:
    """The core's services, and how it is."""

    responses: ResponseServiceAsyncStub
    conversations: ConversationServiceAsyncStub
    users: UserServiceAsyncStub
    files: FileServiceAsyncStub
    vector_stores: VectorStoreServiceAsyncStub
    admin: AdminServiceAsyncStub

    def __init__(self, way: Way) -> None:
        self.responses = ResponseServiceStub(way.channel)
        self.conversations = ConversationServiceStub(way.channel)
        self.users = UserServiceStub(way.channel)
        self.files = FileServiceStub(way.channel)
        self.vector_stores = VectorStoreServiceStub(way.channel)
        self.admin = AdminServiceStub(way.channel)
        self.connected = way.connected
        self.ready = way.ready
        self.serving = way.serving
        self.close = way.close


def refused(error: grpc.aio.AioRpcError, *, repeatable: bool = True) -> RequestError:
    """The HTTP side of an error of the core.

    `repeatable` False is for a call that may have been carried out although no answer came.
    """
    info, retry = _details(error)
    retry_after = retry.retry_delay.ToTimedelta().total_seconds() if retry is not None else None
    code, message = _BY_STATUS.get(error.code(), ("internal_error", "The core failed."))
    if info is None:
        return RequestError(code, message, retry_after=retry_after, repeatable=repeatable)
    fallback = RequestError(code, message).status
    param = info.metadata.get("param", "")
    return RequestError(
        info.reason,
        error.details() or message,
        param=_PARAMS.get(param, param),
        status=fallback,
        retry_after=retry_after,
        repeatable=not info.metadata.get("response_id"),
        headers=rates(error.trailing_metadata()),
    )


def rates(told: Iterable[tuple[str, str | bytes]] | None) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that tell how the caller's limits stand, from what the core has told beside an answer."""
    if not told:
        return ()
    return tuple((name.encode(), str(value).encode()) for name, value in told if name.startswith(RATES))


def is_lost(error: grpc.aio.AioRpcError) -> bool:
    """Whether the connection failed or the core is going down, so that another call may do better."""
    info, _ = _details(error)
    if info is not None:
        return info.reason in ("server_draining", "server_overloaded")
    return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def _details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo | None, RetryInfo | None]:
    info, retry = ErrorInfo(), RetryInfo()
    has_info = has_retry = False
    for any_detail in _status(error).details:
        has_info = has_info or (any_detail.Unpack(info) and info.domain == DOMAIN)
        has_retry = has_retry or any_detail.Unpack(retry)
    return info if has_info else None, retry if has_retry else None


def _status(error: grpc.aio.AioRpcError) -> Status:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()
