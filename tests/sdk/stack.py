"""The whole of Nodexa as its users have it, with a fake model server behind it: every part a process of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub

from tests.service.cli.served import ROOT, SECONDS, Running, Served, nodexa

MODEL = "fake"


class Stack:
    """`nodexa serve` on `folder / "var"`, and the server of its model `fake`. Started by `start`, ended by `stop`.

    Both keep their ports when they are started again, so clients need not know of it.
    """

    def __init__(self, folder: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "var"
        self.base_url = ""
        self.model_url = ""
        self._env = env
        self._running: list[Running] = []
        self._grpc = "127.0.0.1:0"

    def configure(self, content: str) -> None:
        """Writes its nodexa.toml, which it reads when it starts."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        (self.data / "nodexa.toml").write_text(content)

    def start(self) -> Stack:
        """Starts the model server first, then Nodexa, and waits until both answer."""
        self.start_model_server()
        served = Served(self.data, http=_port(self.base_url), grpc=self._grpc, env=self._env)
        self._running.append(served)
        served.ready()
        self.base_url = served.quickstart["NODEXA_BASE_URL"]
        self._grpc = served.quickstart["NODEXA_GRPC"]
        return self

    def start_model_server(self) -> None:
        """Starts only that, unless it runs."""
        if self._running:
            return
        port = str(_port(self.model_url))
        server = Running(sys.executable, "-m", "tests.fakes.chat_server", "--port", port, cwd=ROOT)
        self._running.append(server)
        port = server.wait_for(r"^(\d+)$")[1]
        self.model_url = f"http://127.0.0.1:{port}/v1"

    def stop(self) -> None:
        """Ends every process, as SIGTERM does."""
        while self._running:
            self._running.pop().stop()

    def restart(self) -> None:
        """Ends everything and starts it again on the same data."""
        self.stop()
        self.start()

    def nodexa(self, *arguments: str, key: str = "") -> Any:
        """What `nodexa ARGUMENTS --json` prints, which must succeed; `key` is another than the first one."""
        there = {"NODEXA_GRPC": self._grpc, "NODEXA_API_KEY": key} if key else {}
        here = [] if key else ["--data", str(self.data)]
        ended = nodexa(*arguments, *here, "--json", cwd=self.folder, env=there)
        assert ended.code == 0, ended.err
        return ended.json

    def add_model(self) -> None:
        """Makes the fake model known."""
        self.nodexa("models", "add", MODEL, "--kind", "openai_chat", "--base-url", self.model_url)

    def add_assistant(self) -> str:
        """The id of a new assistant on the fake model."""
        made: str = self.nodexa("assistants", "create", "--name", "echo", "--model", MODEL)["id"]
        return made

    @property
    def quickstart(self) -> dict[str, str]:
        """The settings that it wrote for its clients."""
        lines = (self.data / "quickstart.env").read_text().split()
        return dict(line.partition("=")[::2] for line in lines)

    @property
    def key(self) -> str:
        """The first key, which may do everything."""
        return self.quickstart["NODEXA_API_KEY"]

    @contextlib.contextmanager
    def responses(self) -> Iterator[ResponseServiceStub]:
        """The service over gRPC; its calls need `metadata`."""
        with grpc.insecure_channel(self._grpc) as channel:
            yield ResponseServiceStub(channel)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """Metadata of the first key."""
        return [("authorization", f"Bearer {self.key}")]

    def asked(self, text: str) -> list[Any]:
        """The requests with this text in them that the model server got since it was started, oldest first."""
        found = httpx.get(self.model_url.removesuffix("/v1") + "/requests", timeout=SECONDS, trust_env=False).json()
        return [request for request in found if text in str(request["messages"])]


def _port(url: str) -> int:
    return httpx.URL(url).port or 0 if url else 0
