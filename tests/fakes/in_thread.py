"""Servers that live in a test's own loop, for tests that have none, or that outlive it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

T = TypeVar("T")

SECONDS: Final = 10.0


@contextlib.contextmanager
def in_thread(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Runs a server in a loop of its own thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(SECONDS)
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()
