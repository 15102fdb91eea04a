"""The official SDKs in front of the whole of Nodexa; whatever they are told is checked when a test ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest

from tests.fakes.in_thread import in_thread
from tests.fakes.mcp_server import McpServer
from tests.fakes.web_server import WebServer
from tests.sdk.node_sdk import PROGRAMS, Run, expect_node
from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.wire_check import Exchange, check_exchanges
from tests.service.cli.served import SECONDS, environment

FILE = """
[egress]
allow = ["127.0.0.0/8"]

[mcp.operators]
url = "{mcp}"
timeout_seconds = 0.5

[web_search]
kind = "searxng"
base_url = "{web}"
"""


@pytest.fixture(scope="session")
def operators() -> Iterator[McpServer]:
    """The operator's own MCP server, which assistants know as `operators`."""
    with in_thread(McpServer()) as server:
        yield server


@pytest.fixture(scope="session")
def web() -> Iterator[WebServer]:
    """The operator's search service, and whatever else a test puts there."""
    with in_thread(WebServer()) as server:
        yield server


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, operators: McpServer, web: WebServer) -> Iterator[Stack]:
    """Nodexa and its model server, started once for all tests of this folder."""
    stack = Stack(tmp_path_factory.mktemp("sdk"))
    stack.configure(FILE.format(mcp=operators.url, web=web.url))
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def assistant(stack: Stack) -> str:
    """The id of an assistant without tools and instructions on the fake model."""
    stack.add_model()
    return stack.add_assistant()


@pytest.fixture(scope="session")
def user_key(stack: Stack) -> str:
    """A key that may not make responses."""
    made: str = stack.nodexa("keys", "create", "--name", "claims", "--scope", "user")["secret"]
    return made


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Checks at the end of the test what the SDK was told."""
    recorder = Recorder()
    yield recorder
    check_exchanges(recorder.exchanges)


@pytest.fixture
def client(stack: Stack, recorder: Recorder) -> Iterator[openai.OpenAI]:
    """The SDK as people configure it, retries included."""
    base_url = f"{stack.base_url}/v1"
    with openai.OpenAI(base_url=base_url, api_key=stack.key, timeout=SECONDS, http_client=recorder.http()) as client:
        yield client


@pytest.fixture
async def async_client(stack: Stack, recorder: Recorder) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same SDK for asyncio."""
    async with openai.AsyncOpenAI(
        base_url=f"{stack.base_url}/v1", api_key=stack.key, timeout=SECONDS, http_client=recorder.async_http()
    ) as client:
        yield client


@pytest.fixture
def run(stack: Stack, assistant: str) -> Run:
    """Runs a program with arguments; what it reports, once everything that it was told has been checked."""
    expect_node()

    def start(program: str, *arguments: str, **env: str) -> Any:
        reached = {"NODEXA_BASE_URL": stack.base_url, "NODEXA_API_KEY": stack.key, "NODEXA_ASSISTANT_ID": assistant}
        done = subprocess.run(
            ["node", program, *arguments],
            cwd=PROGRAMS,
            env=environment(**reached, **env),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        check_exchanges([Exchange(**{**each, "body": each["body"].encode()}) for each in told["exchanges"]])
        return told["result"]

    return start
