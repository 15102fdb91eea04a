"""A served Nodexa with a model server of our own behind it, shared by the tests that don't break it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.service.cli.served import ROOT, Ended, Running, Served, nodexa


@dataclass(frozen=True, slots=True)
class Site:
    """A served Nodexa, and the base URL of the model server that its assistant `echo` writes with."""

    served: Served
    model_url: str

    def run(self, *arguments: str, text: str | None = None) -> Ended:
        """Runs `nodexa ARGUMENTS --data …`."""
        return nodexa(*arguments, "--data", str(self.served.data), cwd=self.served.data.parent, text=text)

    def ok(self, *arguments: str, text: str | None = None) -> Ended:
        """The same for a command that must succeed."""
        ended = self.run(*arguments, text=text)
        assert ended.code == 0, ended.err
        return ended


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    server = Running(sys.executable, "-m", "tests.fakes.chat_server", "--port", "0", cwd=ROOT)
    try:
        port = server.wait_for(r"^(\d+)$")[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, model_url: str) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("site") / "var"
    data.mkdir(mode=0o700)
    (data / "nodexa.toml").write_text('[egress]\nallow = ["127.0.0.0/8"]\n')
    served = Served(data)
    try:
        served.ready()
        site = Site(served, model_url)
        site.ok("models", "add", "fake", "--kind", "openai_chat", "--base-url", model_url)
        site.ok("assistants", "create", "--name", "echo", "--model", "fake")
        yield site
    finally:
        served.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `nodexa serve` with options; all of them are stopped at the end."""
    started: list[Served] = []

    def start(*options: str, data: Path | None = None, **addresses: str | int) -> Served:
        started.append(Served(data or tmp_path / "var", *options, **addresses))
        return started[-1]

    yield start
    for served in started:
        served.stop()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ended]:
    """Runs `nodexa ARGUMENTS` in an empty directory."""

    def start(*arguments: str, text: str | None = None, env: Mapping[str, str] | None = None) -> Ended:
        return nodexa(*arguments, cwd=tmp_path, text=text, env=env)

    return start
