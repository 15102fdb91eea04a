"""The way to a core in another process: a gRPC channel, and one connection for most calls."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, cast

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bridge_link.link import socket_beside
from rest_bridge.hop import Hop
from rest_bridge.tls import CoreTls

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Windows stay small: with probing, one slow reader makes the channel buffer megabytes for it.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A core that comes back is found at once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)

log = logging.getLogger(__name__)


class Remote:
    """Must be made inside a running event loop; connects without being waited for."""

    def __init__(self, address: str, *, tls: CoreTls | None = None) -> None:
        """`address` is `host:port`, encrypted with `tls`, or `unix:PATH`, which never is."""
        self._grpc = _channel(address, tls)
        self._trouble = ""
        self._readiness: asyncio.Task[None] | None = None
        self.hop = Hop(self._grpc, socket_beside(address), max_message_bytes=MAX_MESSAGE_BYTES)
        # It makes calls as a channel does.
        self.channel = cast(grpc.aio.Channel, self.hop)
        self._check: grpc.aio.UnaryUnaryMultiCallable[HealthCheckRequest, HealthCheckResponse] = self._grpc.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=HealthCheckRequest.SerializeToString,
            response_deserializer=HealthCheckResponse.FromString,
        )
        self.connected()

    def connected(self) -> bool:
        """Whether a call would go out at once; starts to connect if not."""
        return self.hop.open.is_set() or self._grpc.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def ready(self) -> None:
        """Returns when the core can be reached. Any number may wait; one task watches for all of them."""
        if self._readiness is None or self._readiness.done():
            self._readiness = asyncio.create_task(self._watch())
        await asyncio.shield(self._readiness)

    async def _watch(self) -> None:
        ways = [asyncio.create_task(way) for way in (self._grpc.channel_ready(), self.hop.open.wait())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()

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
        await self._grpc.close()


def _channel(address: str, tls: CoreTls | None) -> grpc.aio.Channel:
    if tls is None or address.startswith("unix:"):
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    credentials = grpc.ssl_channel_credentials(tls.authorities, tls.key, tls.chain)
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS)
