"""The official SDKs in front of the whole of Nodexa; whatever they are told is checked when a test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.wire_check import check_exchanges
from tests.service.cli.served import SECONDS


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nodexa and its model server, started once for all tests of this folder."""
    stack = Stack(tmp_path_factory.mktemp("sdk"))
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
