"""The bridges' own door: all calls of one bridge over one connection, or handed over where it is in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

from bridge_link.link import SLACK, Link, socket_beside
from bridge_link.parts import Say
from bridge_link.stream import METHOD, Stream
from service.rpc.hop_call import Handler
from service.rpc.hop_calls import AtOnce, Calls
from service.rpc.listening import private_socket

log = logging.getLogger(__name__)


class Rpcs(dict[str, Handler]):
    """Collects the handlers of services by their methods, in the place of a server."""

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Nothing: the same handlers come with their names."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Takes the handlers of one service."""
        self.update({f"/{service}/{name}": handler for name, handler in handlers.items()})


class Bridges:
    """Answers bridges. `rpcs` are what they may call, each with the gate before it; at most `most` at a time each.

    Some of them there is a way to play `at_once`.
    """

    def __init__(
        self,
        rpcs: Mapping[str, Handler],
        *,
        max_message_bytes: int,
        most: int,
        at_once: Mapping[str, AtOnce] = MappingProxyType({}),
    ) -> None:
        self._rpcs = rpcs
        self._at_once = at_once
        self._most = most
        self._max_message_bytes = max_message_bytes
        self._doors: list[_Door] = []
        self._joined: set[Calls] = set()
        self._links: set[Link[Calls]] = set()
        self._attending: set[asyncio.Task[None]] = set()

    async def listen(self, addresses: Sequence[str]) -> None:
        """Listens beside each of these gRPC addresses that is a unix socket. Raises AddressError."""
        for address in addresses:
            if path := socket_beside(address):
                listening, inode = private_socket(Path(path))
                server = await asyncio.get_running_loop().create_unix_server(self._meet, sock=listening)
                self._doors.append(_Door(server, Path(path), inode))
            elif address.startswith("unix:"):
                log.warning("%s is long for a socket: bridges reach the core by gRPC there, which costs more", address)

    def rpc(self) -> grpc.GenericRpcHandler:
        """The same for bridges that come by gRPC: the handler of their stream."""

        async def carry(_: Any, context: Any) -> None:
            await Stream(context, self._meet()).run()

        service, _, name = METHOD.removeprefix("/").partition("/")
        return grpc.method_handlers_generic_handler(service, {name: grpc.stream_stream_rpc_method_handler(carry)})

    def join(self, say: Say) -> Calls:
        """The calls of one more bridge: what it says goes to `take` of what is returned, and `say` is told at once."""
        largest = self._max_message_bytes - SLACK
        calls = Calls(self._rpcs, say, largest=largest, most=self._most, at_once=self._at_once)
        self._joined.add(calls)
        return calls

    async def close(self, patience: float) -> None:
        """Takes no more calls; each bridge is left behind those that run, and after so many seconds in any case."""
        for door in self._doors:
            door.close()
        for calls in self._joined:
            calls.retire()
        if self._attending:
            await asyncio.wait(self._attending, timeout=patience)
        for link in list(self._links):
            link.abort()
        await asyncio.gather(*self._attending)

    def _meet(self) -> Link[Calls]:
        link = Link(self.join, most=self._max_message_bytes)
        task = asyncio.create_task(self._attend(link))
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)
        return link

    async def _attend(self, link: Link[Calls]) -> None:
        self._links.add(link)
        await link.joined.over.wait()
        # Nothing to wait for but its end: what was said still gets there.
        link.close()
        await link.joined.close()
        self._links.discard(link)
        self._joined.discard(link.joined)


@dataclass(frozen=True, slots=True)
class _Door:
    server: asyncio.Server
    path: Path
    inode: int

    def close(self) -> None:
        self.server.close()
        with suppress(OSError):
            # A core that was started in this one's place may have its own there by now.
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
