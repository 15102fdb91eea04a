"""A real core for every test that asks: SQLite in a fresh folder, gRPC on port 0, and a model that plays a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import hypothesis
import pytest
from nodexa.v1.admin_service_pb2_grpc import AdminServiceStub
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub
from nodexa.v1.user_service_pb2_grpc import UserServiceStub

from service.bootstrap import QUICKSTART, bootstrap, read_quickstart
from service.ids import new_id
from service.model.scripted import ScriptedModel
from service.runner.hands import Caps
from service.server import CAPS, NO_KINDS, Core, serving, start_core
from service.settings import Settings, embedded_model, now_ms
from service.tools.tool import Kind

if TYPE_CHECKING:
    from nodexa.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from nodexa.v1.response_service_pb2_grpc import ResponseServiceAsyncStub
    from nodexa.v1.user_service_pb2_grpc import UserServiceAsyncStub

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("nodexa", deadline=None)
hypothesis.settings.load_profile("nodexa")

SHARING = ("tests/docs/", "tests/sdk/", "tests/service/cli/")
"""Folders whose tests share servers: all of one go to the same process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says what stays together when several processes run the tests: a file, or a folder that shares servers."""
    for item in items:
        place = item.nodeid.partition("::")[0]
        together = next((folder for folder in SHARING if place.startswith(folder)), place)
        item.add_marker(pytest.mark.xdist_group(together))


@dataclass(frozen=True, slots=True)
class CoreUnderTest:
    """A running core and the way into it; `quickstart` is what its first start wrote."""

    core: Core
    model: ScriptedModel
    quickstart: dict[str, str]
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        return self.core.addresses[0]

    @property
    def data(self) -> Path:
        return self.core.settings.data

    @property
    def key(self) -> str:
        return self.quickstart["NODEXA_API_KEY"]

    @property
    def assistant_id(self) -> str:
        return self.quickstart["NODEXA_ASSISTANT_ID"]

    @property
    def responses(self) -> ResponseServiceAsyncStub:
        return ResponseServiceStub(self.channel)

    @property
    def users(self) -> UserServiceAsyncStub:
        return UserServiceStub(self.channel)

    @property
    def admin(self) -> AdminServiceAsyncStub:
        return AdminServiceStub(self.channel)

    def metadata(self, **more: str) -> list[tuple[str, str]]:
        """Metadata of the first key; `x_user_id="alice"` adds a header."""
        return [("x-api-key", self.key), *((name.replace("_", "-"), value) for name, value in more.items())]


@asynccontextmanager
async def running_core(
    settings: Settings,
    model: ScriptedModel,
    *,
    kinds: Mapping[str, Kind] = NO_KINDS,
    caps: Caps = CAPS,
    serves: bool = True,
) -> AsyncIterator[CoreUnderTest]:
    """A core on `settings`, every model of which is `model`; it runs tools of these `kinds` besides its own.

    Where it doesn't serve, it is one that still starts: it listens, and has not said that it takes work.
    """
    core = await start_core(
        settings,
        open_model=lambda config: model,
        problem=lambda config: "",
        clock=now_ms,
        new_id=new_id,
        from_file={embedded_model().name: embedded_model()},
        kinds=kinds,
        caps=caps,
    )
    try:
        address = core.addresses[0]
        await bootstrap(settings, core.administration, core.keys, clock=now_ms, new_id=new_id, address=address)
        if serves:
            await serving(core)
        async with grpc.aio.insecure_channel(address) as channel:
            yield CoreUnderTest(core, model, read_quickstart(settings.data / QUICKSTART), channel)
    finally:
        await core.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that keep everything in the test's own folder and don't wait."""
    return replace(Settings(), data=tmp_path / "var", listen=("127.0.0.1:0",), grace=0.2, drain=0.2)


@pytest.fixture
def model() -> ScriptedModel:
    """The model of `core`; the test gives it its turns."""
    return ScriptedModel()


@pytest.fixture
async def core(settings: Settings, model: ScriptedModel) -> AsyncIterator[CoreUnderTest]:
    """A running core on a fresh data directory."""
    async with running_core(settings, model) as running:
        yield running


def events_in(batches: Sequence[EventBatch]) -> list[ResponseEvent]:
    """All events of the batches, in order."""
    return [event for batch in batches for event in batch.events]
