"""The pages about clients show the texts of `nodexa connect`, and those texts work; the heavy ones: tests/clients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.cli.connect import CLIENTS, text_for
from tests.docs.blocks import Block, blocks
from tests.docs.reader import Reader
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.sdk.stack import Stack
from tests.sdk.wire_check import check_items
from tests.service.cli.served import ROOT

QUESTION = "What is the capital of France?"
USUAL = {
    "NODEXA_BASE_URL": "http://127.0.0.1:8080",
    "NODEXA_GRPC": "127.0.0.1:50051",
    "NODEXA_ASSISTANT_ID": "asst_YOUR_ASSISTANT",
}


def shown(client: str) -> tuple[str, str]:
    """The language and text that a page must show for a client."""
    text = text_for(client, USUAL, source="", quickstart=Path("var/quickstart.env"))
    return CLIENTS[client].language, text


def page(name: str) -> list[Block]:
    """The blocks of a page below docs/."""
    return blocks((ROOT / "docs" / name).read_text(encoding="utf-8"))


def connected(stack: Stack, client: str) -> Block:
    """The text that a user of this server gets for a client."""
    told = stack.nodexa("connect", client)
    return Block("", client, told["language"], told["text"])


def test_the_page_of_clients_shows_the_text_of_each_in_their_order() -> None:
    told = {block.section: (block.language, block.text) for block in page("clients.md")}
    expected = {client.title: shown(name) for name, client in CLIENTS.items() if name != "codex"}
    assert list(told.items()) == list(expected.items())


def test_the_page_about_codex_shows_its_text() -> None:
    assert [(block.language, block.text) for block in page("codex.md")] == [shown("codex")]


def test_the_text_for_curl_streams_an_answer(reader: Reader, readers_stack: Stack) -> None:
    events = events_of(reader.runs(connected(readers_stack, "curl")).encode())
    assert check_ladder(events)["output_text"] == QUESTION
    check_items(events)


@pytest.mark.parametrize("client", ["openai-python", pytest.param("openai-node", marks=pytest.mark.node)])
def test_the_text_for_an_sdk_has_two_turns_of_one_conversation(
    reader: Reader, readers_stack: Stack, client: str
) -> None:
    earlier = len(readers_stack.asked("And of Italy?"))
    assert reader.runs(connected(readers_stack, client)) == f"{QUESTION}\nAnd of Italy?\n"
    asked = readers_stack.asked("And of Italy?")[earlier:]
    assert [[message["role"] for message in each["messages"]] for each in asked] == [["user", "assistant", "user"]]


def test_the_text_for_grpc_streams_an_answer(reader: Reader, readers_stack: Stack) -> None:
    assert reader.runs(connected(readers_stack, "grpc")) == f"{QUESTION}\n"


def test_no_text_has_the_key_in_it(readers_stack: Stack) -> None:
    told = json.dumps([stack_text.text for stack_text in (connected(readers_stack, name) for name in CLIENTS)])
    assert readers_stack.key not in told
    assert told.count("NODEXA_API_KEY") >= len(CLIENTS)
