"""A core that keeps its address while it is killed and started anew, for a bridge that stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.faults.core_process import CoreProcess, core_process


class Restarted:
    """A core that keeps its address through every kill."""

    def __init__(self, data: Path, address: str) -> None:
        self._data = data
        self._address = address
        self._stack = AsyncExitStack()
        self.core: CoreProcess

    async def start(self) -> None:
        self.core = await self._stack.enter_async_context(core_process(self._data, grpc_address=self._address))
        await self.core.listening()

    async def kill(self) -> None:
        await self.core.kill()
        await self._stack.aclose()
        await self.start()

    async def close(self) -> None:
        await self._stack.aclose()


@asynccontextmanager
async def restarted(data: Path, address: str) -> AsyncIterator[Restarted]:
    """A core that answers; it is gone after the block."""
    core = Restarted(data, address)
    try:
        await core.start()
        yield core
    finally:
        await core.close()
