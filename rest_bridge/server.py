"""uvicorn with our limits, and an end that is worth the name: open streams are told, and the process exits with 0."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import Final

import uvicorn

from rest_bridge.app import make_app
from rest_bridge.core import Core
from rest_bridge.protocol import limited_protocol
from rest_bridge.remote import Remote
from rest_bridge.routes.call import Bridge
from rest_bridge.settings import Settings
from rest_bridge.socket_protocol import SocketProtocol
from rest_bridge.tls import CoreTls, HttpsFiles

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
BACKLOG: Final = 2048
UNSENT_BYTES: Final = 32 * 1024
"""What the kernel keeps for a client beyond what is on its way; by itself it takes megabytes for who never reads."""

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves one bridge. `stop` begins its drain: no new work, unary calls end, streams get `drain_seconds`."""

    def __init__(self, bridge: Bridge, *, https: HttpsFiles | None = None) -> None:
        settings = bridge.settings
        super().__init__(
            uvicorn.Config(
                make_app(bridge),
                http=limited_protocol(settings),
                ws=SocketProtocol,
                # What is not much too large is read to its end: only then can it be refused in words.
                ws_max_size=2 * settings.max_body_bytes,
                ws_ping_interval=settings.heartbeat_seconds,
                ws_ping_timeout=settings.heartbeat_seconds,
                # It costs time and memory for each connection, and a small message may unpack to a large one.
                ws_per_message_deflate=False,
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                ssl_certfile=https.cert if https else None,
                ssl_keyfile=https.key if https else None,
                timeout_keep_alive=int(settings.keep_alive_seconds),
                timeout_graceful_shutdown=int(settings.stop_seconds),
            )
        )
        self._bridge = bridge
        self._stopping = asyncio.Event()
        self._ending: asyncio.TimerHandle | None = None

    async def serve_on(self, listening: socket.socket) -> None:
        """Serves on it until `stop` was called, and all has ended."""
        _hold_little(listening)
        await self.serve(sockets=[listening])

    def stop(self) -> None:
        """Begins the drain. A second call ends the streams at once."""
        self.should_exit = True
        self._stopping.set()
        patience = 0.0 if self._bridge.draining else self._bridge.settings.drain_seconds
        self._bridge.draining = True
        for session in list(self._bridge.sockets):
            session.drain()
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(patience, self._end_streams)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's own version lets a client take a minute for its part of a TLS handshake."""
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state={}
            )
            return made

        self.servers = [
            await loop.create_server(
                protocol,
                sock=listening,
                ssl=config.ssl,
                ssl_handshake_timeout=self._bridge.settings.head_seconds if config.ssl else None,
                backlog=config.backlog,
            )
            for listening in sockets or ()
        ]
        self.started = True

    async def main_loop(self) -> None:
        """Uvicorn's own version wakes ten times a second; the date, which it keeps, needs one."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Not used: whoever runs it hears the signals, and calls `stop`."""
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not used: no signal comes here."""
        self.stop()

    def _end_streams(self) -> None:
        for stream in list(self._bridge.streams):
            stream.interrupt()


async def serve(
    settings: Settings, *, core: str, listening: socket.socket, tls: CoreTls | None, https: HttpsFiles | None
) -> None:
    """Serves on `listening` until a signal comes, with the core at `core` (`host:port` or `unix:PATH`)."""
    channel = Core(Remote(core, tls=tls))
    server = Server(Bridge(channel, settings), https=https)
    try:
        with _told_by_signals(server.stop):
            await server.serve_on(listening)
    finally:
        await channel.close()


@contextlib.contextmanager
def _told_by_signals(stop: Callable[[], None]) -> Generator[None, None, None]:
    """Has `stop` called for each signal, and when what holds the other end of the standard input has ended."""
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop()

    with contextlib.ExitStack() as stack:
        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stop)
                stack.callback(loop.remove_signal_handler, number)
        if os.environ.get("NODEXA_ENDS_WITH_STDIN"):
            loop.add_reader(sys.stdin.fileno(), orphaned)
            stack.callback(loop.remove_reader, sys.stdin.fileno())
        yield


def _hold_little(listening: socket.socket) -> None:
    # Every connection inherits it; not every system has it.
    if listening.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
