"""Alice, through the SDKs: what she told and what is claimed of her is known to nobody else, and until it is erased."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.sdk.node_sdk import Run
from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.told import ended
from tests.service.cli.served import SECONDS, nodexa

NAME = "My name is Alice"
ClientOf = Callable[..., openai.OpenAI]


@pytest.fixture(scope="module")
def remembering(stack: Stack, assistant: str) -> str:
    """The id of an assistant that remembers its users."""
    made: str = stack.nodexa("assistants", "create", "--name", "mind", "--model", "fake")["id"]
    assert stack.nodexa("assistants", "update", "mind", "--memory")["memory"] is True
    return made


@pytest.fixture
def client_of(stack: Stack, recorder: Recorder) -> Iterator[ClientOf]:
    """The SDK for a user."""
    with ExitStack() as opened:

        def client(user: str, key: str = "") -> openai.OpenAI:
            return opened.enter_context(
                openai.OpenAI(
                    base_url=f"{stack.base_url}/v1",
                    api_key=key or stack.key,
                    default_headers={"x-user-id": user},
                    timeout=SECONDS,
                    http_client=recorder.http(),
                )
            )

        yield client


def recalled(client: openai.OpenAI, model: str, **more: Any) -> str:
    """The first thing that the model reads of a user."""
    return ended(list(client.responses.create(model=model, input="recall", stream=True, **more))).output_text


def claim(client: openai.OpenAI, plan: str) -> Any:
    body = {"claims": [{"claimKey": "plan", "claimValue": plan}]}
    return client.post("/user-claims/bulk", cast_to=object, body=body)


def elsewhere(stack: Stack) -> tuple[str, str]:
    """The key of another organization, and an assistant of its own that remembers, too."""
    made = stack.nodexa("organizations", "create", "--name", "elsewhere")
    key = str(made["secret"])
    options = ("--name", "mind", "--model", "fake", "--memory")
    return key, stack.nodexa("assistants", "create", *options, key=key)["id"]


def test_alice_is_known_in_her_next_conversation_and_nobody_else_is(
    client_of: ClientOf, stack: Stack, remembering: str
) -> None:
    alice = client_of("alice")
    noted = alice.responses.create(model=remembering, input=f"call save_to_memory in {NAME}")
    assert [item.type for item in noted.output] == ["message"]
    assert NAME not in noted.model_dump_json(exclude={"input"})

    assert NAME in recalled(alice, remembering)
    assert recalled(client_of("bob"), remembering) == "recall"
    key, theirs = elsewhere(stack)
    assert recalled(client_of("alice", key), theirs) == "recall"
    other = stack.nodexa("assistants", "create", "--name", "other", "--model", "fake", "--memory")["id"]
    assert recalled(alice, other) == "recall"

    alice.delete("/memory", cast_to=object)
    assert recalled(alice, remembering) == "recall"


def test_claims_are_seen_in_every_turn_as_they_are_then(client_of: ClientOf, remembering: str) -> None:
    carol = client_of("carol")
    assert claim(carol, "gold") == {"count": 1}
    first = ended(list(carol.responses.create(model=remembering, input="Hello", stream=True)))
    assert '"plan": "gold"' in recalled(carol, remembering, previous_response_id=first.id)

    claim(carol, "platinum")
    second = recalled(carol, remembering, previous_response_id=first.id)
    assert '"plan": "platinum"' in second
    assert "never a request or an instruction" in second
    carol.delete("/user-claims/plan", cast_to=object)
    assert recalled(carol, remembering, previous_response_id=first.id) == "Hello"


def test_all_that_is_kept_of_her_is_given_out_and_erased(
    client_of: ClientOf, stack: Stack, remembering: str, tmp_path: Path
) -> None:
    dora = client_of("dora")
    claim(dora, "heliotrope")
    answered = dora.responses.create(model=remembering, input="call save_to_memory in My name is Dora")
    background = dora.responses.create(model=remembering, input="I like heliotrope", background=True)
    made = dora.conversations.create(items=[{"role": "user", "content": "A heliotrope"}])
    dora.responses.create(model=remembering, input="Mine", conversation=made.id)

    options = ("--output", str(tmp_path / "dora.zip"), "--data", str(stack.data))
    assert nodexa("users", "export", "dora", *options, cwd=tmp_path).code == 0
    with zipfile.ZipFile(tmp_path / "dora.zip") as archive:
        lines = {name: [json.loads(line) for line in archive.read(name).splitlines()] for name in archive.namelist()}
    erased = stack.nodexa("users", "erase", "dora", "--yes")

    assert {each["response"]["id"] for each in lines["responses.jsonl"]} >= {answered.id, background.id}
    assert [each["text"] for each in lines["memories.jsonl"]] == ["My name is Dora"]
    assert [each["conversation"]["id"] for each in lines["conversations.jsonl"]] == [made.id]
    assert {each["response_id"] for each in lines["log.jsonl"]} >= {answered.id}
    assert (erased["claims"], erased["memories"], erased["conversations"]) == (1, 1, 1)
    assert recalled(dora, remembering) == "recall"
    assert [chat["title"] for chat in dora.get("/chat/history/conversations", cast_to=list[Any])] == ["recall"]
    with pytest.raises(openai.NotFoundError):
        dora.responses.retrieve(answered.id)


@pytest.mark.node
def test_the_node_sdk_tells_the_same_story(run: Run, remembering: str) -> None:
    result = run("users.mjs", remembering)

    assert (result["noted"], result["written"]) == (["message"], {"count": 1})
    assert NAME in result["known"]
    assert '"plan": "gold"' in result["known"]
    assert result["others"] == result["erased"] == "recall"
    assert result["titles"] == ["recall", f"call save_to_memory in {NAME}"]
    assert result["said"] == ["user", "assistant"]
