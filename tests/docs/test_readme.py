"""What the README tells people to run does what it says, word for word."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import Block
from tests.docs.reader import README, Reader
from tests.rest_bridge.ladder import check_ladder, events_of
from tests.sdk.stack import Stack
from tests.sdk.wire_check import check_items

QUESTION = "What is the capital of France?"
# A model that shares its two cores with others takes its time.
patient = pytest.mark.timeout(300)
OWN_MODEL = "Bring your own model"


def program(label: str) -> Block:
    """The README's one program of that name."""
    (found,) = (block for block in README if block.label == label)
    return found


def own_model(word: str) -> Block:
    """The README's one block about one's own model in which the word stands."""
    (found,) = (block for block in README if block.section == OWN_MODEL and word in block.text)
    return found


def test_every_program_of_the_readme_is_run_here() -> None:
    assert [(block.section, block.label, block.language) for block in README] == [
        ("Two commands", "", "sh"),
        ("The first request", "curl", "sh"),
        ("The first request", "Python", "python"),
        ("The first request", "Node", "js"),
        ("The first request", "gRPC", "python"),
        (OWN_MODEL, "", "sh"),
        (OWN_MODEL, "", "sh"),
        (OWN_MODEL, "", "toml"),
    ]


def test_the_first_request_in_curl(reader: Reader) -> None:
    events = events_of(reader.runs(program("curl")).encode())
    assert check_ladder(events)["output_text"] == QUESTION
    check_items(events)


def test_the_first_request_in_python(reader: Reader) -> None:
    first, second, usage = reader.runs(program("Python")).splitlines()
    assert (first, second) == (QUESTION, "And of Italy?")
    assert usage.startswith("ResponseUsage(input_tokens=")


@pytest.mark.node
def test_the_first_request_in_node(reader: Reader) -> None:
    assert reader.runs(program("Node")) == f"{QUESTION}\n"


def test_the_first_request_over_grpc(reader: Reader) -> None:
    assert reader.runs(program("gRPC")) == f"{QUESTION}\n"


def test_ones_own_model_server_answers(reader: Reader, readers_stack: Stack) -> None:
    reader.runs(own_model("--base-url"))
    assert "Hello there" in reader.shell("nodexa chat helper", text="Hello there\n")
    (asked,) = readers_stack.asked("Hello there")
    assert asked["model"] == "llama3.3"
    assert asked["messages"][0]["content"].startswith("You are a helpful assistant.")


def test_a_model_of_nodexa_toml_answers(reader: Reader, readers_stack: Stack) -> None:
    reader.shell("nodexa assistants create --name cloud --model gpt")
    assert "Hello cloud" in reader.shell("nodexa chat cloud", text="Hello cloud\n")
    (asked,) = readers_stack.asked("Hello cloud")
    assert asked["model"] == "gpt-5-mini"


@pytest.mark.slow
@patient
def test_the_embedded_model_answers_curl_piece_by_piece(first_time_reader: Reader) -> None:
    events = events_of(first_time_reader.runs(program("curl")).encode())
    final = check_ladder(events)
    check_items(events)
    pieces = [event for event in events if event["type"] == "response.output_text.delta"]
    assert len(pieces) > 1
    assert final["usage"]["input_tokens"] > len(QUESTION.split())
    assert final["usage"]["output_tokens"] >= len(pieces)


@pytest.mark.slow
@patient
def test_the_embedded_model_answers_python(first_time_reader: Reader) -> None:
    *texts, usage = first_time_reader.runs(program("Python")).splitlines()
    assert len(texts) > 1
    assert re.match(r"ResponseUsage\(input_tokens=[1-9].*output_tokens=[1-9]", usage)


@pytest.mark.slow
@patient
@pytest.mark.node
def test_the_embedded_model_answers_node(first_time_reader: Reader) -> None:
    assert first_time_reader.runs(program("Node")).strip()


@pytest.mark.slow
@patient
def test_a_gguf_file_of_ones_own_answers(first_time_reader: Reader) -> None:
    first_time_reader.runs(own_model("--gguf"))
    first_time_reader.shell("nodexa assistants create --name mine --model local --temperature 0")
    assert first_time_reader.shell("nodexa chat mine", text="Hello\n").strip()
