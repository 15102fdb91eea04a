"""A bridge's end of the socket: what it says, and what it hears of each of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from bridge_link.link import SUFFIX, Link
from bridge_link.parts import END, MESSAGE, OPEN, Pairs, Say, opening, read_end
from service.settings import Settings
from tests.conftest import CoreUnderTest

SERVICE = "/nodexa.v1.ResponseService/"
MOST = 16 * 1024 * 1024
SECONDS = 10


@dataclass(frozen=True, slots=True)
class End:
    """How a call ended, and its last message."""

    status: int
    message: bytes
    metadata: dict[str, str | bytes]

    @property
    def reason(self) -> str:
        """The code of the error."""
        details = self.metadata["grpc-status-details-bin"]
        assert isinstance(details, bytes)
        return str(Status.FromString(details).details[0])


class Bridge:
    """What a bridge knows of its calls."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.messages: dict[int, list[bytes]] = {}
        self.ends: dict[int, tuple[int, str, Pairs]] = {}
        self.news = asyncio.Event()

    def take(self, call: int, kind: int, data: bytes) -> None:
        if kind == MESSAGE:
            self.messages.setdefault(call, []).append(data)
        elif kind == END:
            self.ends[call] = read_end(data)
        self.news.set()

    def lose(self) -> None:
        self.news.set()

    def open(
        self,
        core: CoreUnderTest,
        number: int,
        method: str,
        request: Message,
        *,
        key: str | None = None,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Begins a call, with a key of its own or with metadata that have one."""
        metadata = metadata or [("x-api-key", core.key if key is None else key)]
        self.say(number, OPEN, opening(SERVICE + method, metadata, request.SerializeToString()))

    async def end_of(self, number: int) -> End:
        await self._until(lambda: number in self.ends)
        status, _, metadata = self.ends[number]
        return End(status, self.messages.get(number, [b""])[-1], dict(metadata))

    async def bytes_of(self, number: int, at_least: int) -> int:
        """How many bytes of the call's messages have come, once they are as many."""
        await self._until(lambda: self._size(number) >= at_least)
        return self._size(number)

    def _size(self, number: int) -> int:
        return sum(len(message) for message in self.messages.get(number, ()))

    async def _until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not there():
                self.news.clear()
                await self.news.wait()


async def connected(core: CoreUnderTest) -> Link[Bridge]:
    """A link to a core, which has greeted."""
    path = core.core.addresses[-1].removeprefix("unix:") + SUFFIX
    _, link = await asyncio.get_running_loop().create_unix_connection(lambda: Link(Bridge, most=MOST), path)
    async with asyncio.timeout(SECONDS):
        assert await link.greeted
    return link


def with_socket(settings: Settings, path: Path) -> Settings:
    """The settings of a core that has a socket for its bridges besides, in a folder."""
    return replace(settings, listen=(*settings.listen, f"unix:{path}/core.sock"))


@asynccontextmanager
async def bridge_of(core: CoreUnderTest) -> AsyncIterator[Bridge]:
    """A bridge of the core."""
    link = await connected(core)
    yield link.joined
    link.abort()
    await link.over.wait()
