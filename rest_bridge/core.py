"""The way to the core: one gRPC channel a process, one stream for most calls, and what its errors mean over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from nodexa.v1.admin_service_pb2_grpc import AdminServiceStub
from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceStub
from nodexa.v1.file_service_pb2_grpc import FileServiceStub
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub
from nodexa.v1.user_service_pb2_grpc import UserServiceStub
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceStub

from rest_bridge.errors import RequestError
from rest_bridge.hop import Hop
from rest_bridge.tls import CoreTls

if TYPE_CHECKING:
    from nodexa.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from nodexa.v1.conversation_service_pb2_grpc import ConversationServiceAsyncStub
    from nodexa.v1.file_service_pb2_grpc import FileServiceAsyncStub
    from nodexa.v1.response_service_pb2_grpc import ResponseServiceAsyncStub
    from nodexa.v1.user_service_pb2_grpc import UserServiceAsyncStub
    from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceAsyncStub

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Windows stay small: with probing, one slow reader makes the channel buffer megabytes for it.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A core that comes back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
DETAILS_KEY: Final = "grpc-status-details-bin"
DOMAIN: Final = "nodexa"
RATES: Final = "x-ratelimit-"

log = logging.getLogger(__name__)

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


class Core:
    """The core as the bridge sees it. Must be made inside a running event loop; connects without being waited for."""

    responses: ResponseServiceAsyncStub
    conversations: ConversationServiceAsyncStub
    users: UserServiceAsyncStub
    files: FileServiceAsyncStub
    vector_stores: VectorStoreServiceAsyncStub
    admin: AdminServiceAsyncStub

    def __init__(self, address: str, *, tls: CoreTls | None = None) -> None:
        """`address` is `host:port`, encrypted with `tls`, or `unix:PATH`, which never is."""
        self._channel = _channel(address, tls)
        self._trouble = ""
        self._readiness: asyncio.Task[None] | None = None
        self.hop = Hop(self._channel)
        # It makes calls as a channel does.
        quick = cast(grpc.aio.Channel, self.hop)
        self.responses = ResponseServiceStub(quick)
        self.conversations = ConversationServiceStub(quick)
        self.users = UserServiceStub(quick)
        self.files = FileServiceStub(quick)
        self.vector_stores = VectorStoreServiceStub(quick)
        self.admin = AdminServiceStub(quick)
        self._check: grpc.aio.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse] = (
            self._channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=HealthCheckRequest.SerializeToString,
                response_deserializer=HealthCheckResponse.FromString,
            )
        )
        self.connected()

    def connected(self) -> bool:
        """Whether a call would go out at once; starts to connect if not."""
        return self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def ready(self) -> None:
        """Returns when the core can be reached. Any number may wait; one task watches for all of them."""
        if self._readiness is None or self._readiness.done():
            self._readiness = asyncio.create_task(self._channel.channel_ready())
        await asyncio.shield(self._readiness)

    async def serving(self, *, timeout: float) -> bool:
        """Whether the core says that it takes requests. A core that can't be reached doesn't."""
        try:
            found = await self._check(HealthCheckRequest(), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            self._tell(error.details() or "")
            return False
        self._trouble = ""
        return found.status == HealthCheckResponse.SERVING

    def _tell(self, trouble: str) -> None:
        """Logs once what stands between the two; a core that isn't there yet is nothing to tell."""
        if "andshake" in trouble and trouble != self._trouble:
            log.warning("the core can't be reached by TLS: %s", trouble)
        self._trouble = trouble

    async def close(self) -> None:
        """Ends the channel and every call on it."""
        if self._readiness is not None:
            self._readiness.cancel()
        await self.hop.close()
        await self._channel.close()


def _channel(address: str, tls: CoreTls | None) -> grpc.aio.Channel:
    if tls is None or address.startswith("unix:"):
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    credentials = grpc.ssl_channel_credentials(tls.authorities, tls.key, tls.chain)
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS)


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
    return tuple((name.encode(), str(value).encode()) for name, value in told or () if name.startswith(RATES))


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
