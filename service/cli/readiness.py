"""Whether a served Nodexa answers, asked over HTTP through the bridge as a client would."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Final

from service.cli.addresses import TcpAddress, UnixAddress

_PAUSE: Final = 0.05
_PATIENCE: Final = 2.0
_SAY_SO_AFTER: Final = 15.0


async def wait_until_ready(core: UnixAddress, address: TcpAddress, *, https: bool, say: Callable[[str], None]) -> None:
    """Returns once `/readyz` says yes; says now and then that it is still waiting.

    The bridge is asked only when the core listens: before, it would log every no.
    """
    remind_at = time.monotonic() + _SAY_SO_AFTER
    while not (await listens(core) and await is_ready(address, https=https)):
        if time.monotonic() > remind_at:
            say("Still starting …")
            remind_at += _SAY_SO_AFTER
        await asyncio.sleep(_PAUSE)


async def listens(address: UnixAddress) -> bool:
    """Whether anything accepts connections there."""
    try:
        _, writer = await asyncio.open_unix_connection(address.path)
    except OSError:
        return False
    writer.close()
    return True


async def is_ready(address: TcpAddress, *, https: bool = False) -> bool:
    """One question; False where no answer comes within 2 seconds."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=_unverified() if https else None
            )
            try:
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                return (await reader.readline()).split(maxsplit=2)[1:2] == [b"200"]
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (TimeoutError, OSError):
        return False


def _unverified() -> ssl.SSLContext:
    """The question holds no secret, and the certificate is for the name that others use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
