"""A real bridge on port 0 in front of the real core."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import openai
import pytest

from rest_bridge.core import Core, Way
from rest_bridge.hop import Hop
from rest_bridge.remote import Remote
from rest_bridge.routes.call import Bridge
from rest_bridge.server import Server
from rest_bridge.settings import Settings
from rest_bridge.tls import HttpsFiles
from service.settings import Settings as CoreSettings
from tests.conftest import CoreUnderTest
from tests.rest_bridge.fake_core import PLAIN
from tests.rest_bridge.judged import judge, judge_either


@dataclass(frozen=True, slots=True)
class BridgeUnderTest:
    """A serving bridge, and a key and an assistant to call it with."""

    bridge: Bridge
    server: Server
    way: Way
    host: str
    port: int
    key: str = ""
    assistant_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    plain: bool = False

    @property
    def hop(self) -> Hop:
        """The way to a core in another process."""
        assert isinstance(self.way, Remote)
        return self.way.hop

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def reach(self) -> None:
        """Returns when the core is there, and calls go to it as they will: over one connection, if it knows that."""
        async with asyncio.timeout(10):
            await (self.hop.open.wait() if isinstance(self.way, Remote) and not self.plain else self.way.ready())

    def http(self, *, key: str | None = None) -> httpx.AsyncClient:
        """A client that sends the key, unless given another (empty: none)."""
        sent = self.key if key is None else key
        headers = {"authorization": f"Bearer {sent}"} if sent else {}
        hooks = {"response": [judge if key is None else judge_either]}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False, event_hooks=hooks)

    def sdk(self, **more: str) -> openai.AsyncOpenAI:
        """The official SDK, which sends everything once."""
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [judge]}, trust_env=False)
        base_url = f"{self.url}/v1"
        return openai.AsyncOpenAI(
            base_url=base_url, api_key=self.key, max_retries=0, default_headers=more, http_client=http
        )

    def body(self, **more: object) -> dict[str, object]:
        """The smallest request, with `more` in it."""
        return {"model": self.assistant_id, "input": "Hello", **more}


@asynccontextmanager
async def running_bridge(
    core: str | Way, settings: Settings, *, key: str = "", assistant_id: str = "", https: HttpsFiles | None = None
) -> AsyncIterator[BridgeUnderTest]:
    """A bridge for the core at an address, or at the end of a way, stopped as SIGTERM would."""
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    way = Remote(core) if isinstance(core, str) else core
    bridge = Bridge(Core(way), settings)
    server = Server(bridge, https=https)
    serving = asyncio.create_task(server.serve_on(listening))
    plain = isinstance(core, str) and core.endswith(PLAIN)
    try:
        yield BridgeUnderTest(bridge, server, way, host, port, key, assistant_id, plain=plain)
    finally:
        server.stop()
        async with asyncio.timeout(30):
            await serving
        await way.close()


@pytest.fixture
def bridge_settings() -> Settings:
    """Limits and times small enough to be reached in a test."""
    return Settings(drain_seconds=0.2, stop_seconds=5, head_seconds=0.5, body_seconds=0.5, patience_seconds=5)


@pytest.fixture
def settings(settings: CoreSettings, tmp_path: Path) -> CoreSettings:
    """Those of a core with a socket for its bridges."""
    return replace(settings, listen=(*settings.listen, f"unix:{tmp_path}/core.sock"))


@pytest.fixture
async def bridge(core: CoreUnderTest, bridge_settings: Settings) -> AsyncIterator[BridgeUnderTest]:
    """A bridge in front of `core`, connected as it will be."""
    async with running_bridge(
        core.core.addresses[-1], bridge_settings, key=core.key, assistant_id=core.assistant_id
    ) as running:
        await running.reach()
        yield running
