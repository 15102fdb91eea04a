"""The core put together: store, catalog, runner and the gRPC server in front of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from nodexa.v1 import (
    admin_service_pb2,
    conversation_service_pb2,
    file_service_pb2,
    response_service_pb2,
    user_data_service_pb2,
    user_service_pb2,
    vector_store_service_pb2,
)
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.assembly.outside import Outside
from service.assembly.parts import MASTER_KEY, Parts, assemble
from service.ids import NewId
from service.knowledge.meaning import Meanings
from service.rpc.conversations import ConversationServicer
from service.rpc.doors import open_doors
from service.rpc.files import FileServicer
from service.rpc.gate import Gate
from service.rpc.hop import Bridges
from service.rpc.key_maker import KeyMaker
from service.rpc.listening import bind, expect_private
from service.rpc.responses import ResponseServicer
from service.rpc.vector_stores import VectorStoreServicer
from service.runner.catalog import Catalog, OpenModel
from service.runner.hands import Caps
from service.runner.runner import Runner
from service.runner.takeover import Takeover
from service.settings import Clock, Settings
from service.store.administration import Administration
from service.store.database import Database
from service.tools.egress import Egress
from service.tools.tool import Kind

__all__ = ["DATABASE", "MASTER_KEY", "SERVICES", "Core", "serving", "start_core"]

DATABASE = "nodexa.db"
NO_KINDS: Mapping[str, Kind] = MappingProxyType({})
CAPS = Caps()
SERVICES = tuple(
    service.full_name
    for described in (
        response_service_pb2,
        conversation_service_pb2,
        file_service_pb2,
        vector_store_service_pb2,
        user_service_pb2,
        user_data_service_pb2,
        admin_service_pb2,
    )
    for service in described.DESCRIPTOR.services_by_name.values()
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """Everything of a running core that has to be closed again, and what its first start needs."""

    settings: Settings
    database: Database
    administration: Administration
    keys: KeyMaker
    catalog: Catalog
    runner: Runner
    server: grpc.aio.Server
    bridges: Bridges
    health: health.aio.HealthServicer
    addresses: Sequence[str]
    takeover: Takeover
    chores: Sequence[asyncio.Task[None]]
    clients: Sequence[Egress | Meanings]

    async def stop(self) -> None:
        """Says that it's leaving, lets what runs come to its end, then closes everything."""
        await self.health.enter_graceful_shutdown()
        self.takeover.retire()
        await self.runner.close()
        await asyncio.gather(self.bridges.close(self.settings.drain), self.server.stop(self.settings.drain))
        for chore in self.chores:
            chore.cancel()
        await asyncio.wait(self.chores)
        await self.takeover.leave()
        await self.catalog.close()
        for client in self.clients:
            await client.close()
        await self.database.close()


async def start_core(
    settings: Settings,
    *,
    open_model: OpenModel,
    problem: Callable[[ModelConfig], str],
    clock: Clock,
    new_id: NewId,
    from_file: Mapping[str, ModelConfig],
    kinds: Mapping[str, Kind] = NO_KINDS,
    caps: Caps = CAPS,
) -> Core:
    """Opens the data directory, settles what was left behind, and listens.

    `problem` says why a model can't answer now; `kinds` are kinds of tools that this core runs besides its own, and
    `caps` is what a response may do with any. Raises AddressError for an address that is taken or open to the network,
    InUseError for a data directory that another core uses, ValueError for a broken master key or a setting of
    nodexa.toml that can't be, SettingsError for others.
    """
    expect_private(settings.listen, encrypted=settings.tls is not None, insecure=settings.insecure)
    _make_private(settings.data)
    spare_cpu = _cpus() > settings.processes
    database = await Database.open(settings.data / DATABASE, shared=settings.shared, spare_cpu=spare_cpu)
    try:
        outside = Outside(open_model, problem, clock, new_id, from_file, kinds, caps)
        return await _start(settings, database, assemble(settings, database, outside), new_id)
    except BaseException:
        await database.close()
        raise


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_private(data: Path) -> None:
    """Makes the data directory, for its owner only; one that was there before keeps the mode that somebody gave it."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if data.stat().st_mode & 0o077:
        log.warning("%s can be read by other users of this machine; if that isn't meant: chmod 700 %s", data, data)


async def _start(settings: Settings, database: Database, parts: Parts, new_id: NewId) -> Core:
    await parts.takeover.enter(alone=not settings.shared)
    gate = Gate(parts.authenticator, parts.calls, new_id)
    server = _server(settings, gate)
    bridges = open_doors(
        server,
        gate,
        responses=ResponseServicer(parts.runner, parts.limiter),
        conversations=ConversationServicer(parts.conversations),
        files=FileServicer(parts.knowledge.files),
        vector_stores=VectorStoreServicer(parts.knowledge.shelf, parts.knowledge.contents, parts.knowledge.search),
        users=parts.users,
        user_data=parts.user_data,
        admin=parts.admin,
        settings=settings,
    )
    state = _add_health_and_reflection(server)
    # Of itself it says from its beginning that all is well; only `serving` may.
    await state.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    addresses = bind(server, settings.listen, tls=settings.tls)
    await bridges.listen(addresses)
    await server.start()
    return Core(
        settings,
        database,
        parts.administration,
        parts.keys,
        parts.catalog,
        parts.runner,
        server,
        bridges,
        state,
        addresses,
        parts.takeover,
        _chores(settings, parts),
        parts.clients,
    )


def _chores(settings: Settings, parts: Parts) -> list[asyncio.Task[None]]:
    """What goes on for as long as the core runs."""
    return [
        asyncio.create_task(parts.upkeep.run(settings.upkeep)),
        asyncio.create_task(parts.takeover.run(parts.runner.live)),
        asyncio.create_task(parts.calls.run()),
        asyncio.create_task(parts.binder.run()),
        asyncio.create_task(parts.knowledge.indexer.run()),
    ]


def _server(settings: Settings, gate: Gate) -> grpc.aio.Server:
    return grpc.aio.server(
        interceptors=(gate,),
        options=(
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", settings.max_message_bytes),
            ("grpc.max_metadata_size", 64 * 1024),
            # Cores that share a directory may share a port.
            ("grpc.so_reuseport", int(settings.shared)),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )


def _add_health_and_reflection(server: grpc.aio.Server) -> health.aio.HealthServicer:
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    names = [*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)
    return state


async def serving(core: Core) -> None:
    """Tells health checks that the core takes work."""
    for service in ("", *SERVICES):
        await core.health.set(service, health_pb2.HealthCheckResponse.SERVING)
