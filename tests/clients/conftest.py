"""Clients as people install them, in front of the whole of Nodexa: programs of theirs are run and read.

Whatever they are told is judged when a test ends.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.front import Front
from tests.clients.installed import HERE, MODULES, PYTHON, expect_clients
from tests.fakes.in_thread import in_thread
from tests.fakes.web_server import WebServer, shows
from tests.sdk.stack import Stack
from tests.service.cli.served import environment

SECONDS = 90.0
FOUND = {"url": "https://a.example/rain", "title": "Rain", "content": "It rains."}
FILE = """
[egress]
allow = ["127.0.0.0/8"]

[web_search]
kind = "searxng"
base_url = "{web}"
"""

Reached = dict[str, str]
RunText = Callable[[str], str]
RunStory = Callable[..., Any]


@pytest.fixture(scope="session")
def web() -> Iterator[WebServer]:
    """A search service, and an API with orders."""
    with in_thread(WebServer()) as server:
        server.pages["/search"] = shows({"results": [FOUND]})
        server.pages["/orders/17"] = shows({"state": "sent"})
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, web: WebServer) -> Iterator[Stack]:
    """Nodexa and its model server, started once for all tests of this folder."""
    expect_clients()
    stack = Stack(tmp_path_factory.mktemp("clients"))
    stack.configure(FILE.format(web=web.url))
    try:
        stack.start()
        stack.add_model()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def assistant(stack: Stack) -> str:
    """The id of an assistant without tools and instructions on the fake model."""
    return stack.add_assistant()


@pytest.fixture(scope="session")
def front(stack: Stack) -> Iterator[Front]:
    """The door that all clients go through."""
    with Front(stack.base_url) as front:
        yield front


@pytest.fixture(autouse=True)
def judged(front: Front) -> Iterator[None]:
    """Judges what the clients of a test were told."""
    front.forget()
    yield
    front.check()


@pytest.fixture
def reached(stack: Stack, front: Front, assistant: str) -> Reached:
    """What a client's program finds in its environment."""
    return {"NODEXA_BASE_URL": front.url, "NODEXA_API_KEY": stack.key, "NODEXA_ASSISTANT_ID": assistant}


@pytest.fixture
def run_text(stack: Stack, front: Front, assistant: str, reached: Reached, tmp_path: Path) -> RunText:
    """Runs the text of `nodexa connect CLIENT` as its file; what it printed."""

    def run(client: str) -> str:
        told = stack.nodexa("connect", client, "--assistant", assistant)
        program = tmp_path / told["file"]
        program.write_text(told["text"].replace(stack.base_url, front.url))
        (tmp_path / "node_modules").symlink_to(MODULES)
        return _printed(program, {"NODEXA_API_KEY": reached["NODEXA_API_KEY"]})

    return run


@pytest.fixture
def run_story(reached: Reached) -> RunStory:
    """Runs a program of `python/` or `node/` with more in its environment; what it reports."""
    return lambda program, **env: json.loads(_printed(HERE / program, reached | env))


def _printed(program: Path, env: Reached) -> str:
    # -P: a program called agents.py must not be taken for the package.
    command = [str(PYTHON), "-P"] if program.suffix == ".py" else ["node"]
    done = subprocess.run(
        [*command, str(program)],
        cwd=program.parent,
        env=environment(**{"PYTHONPATH": "", **env}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
