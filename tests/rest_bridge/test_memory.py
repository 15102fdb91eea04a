"""What an assistant remembers of its users: Alice tells her name in one conversation, and is known in another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import CreateAssistantRequest
from openai import AsyncOpenAI

from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.service.keys import as_another_organization
from tests.service.memories import SAVE, noting, with_memory
from tests.service.requests import words_of

NAME = "The user is called Alice."
ALICE, BOB = {"x-user-id": "alice"}, {"x-user-id": "bob"}
Json = dict[str, Any]


@pytest.fixture
async def http(bridge: BridgeUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    async with bridge.http() as client:
        yield client


@pytest.fixture
async def alice(core: CoreUnderTest, bridge: BridgeUnderTest) -> AsyncOpenAI:
    """A client of Alice's, whose assistant remembers."""
    await with_memory(core)
    return bridge.sdk(**ALICE)


async def memories(http: httpx.AsyncClient, **headers: str) -> list[Json]:
    found: list[Json] = (await http.get("/v1/memory", headers=headers or ALICE)).json()["memories"]
    return found


def told(core: CoreUnderTest) -> list[str]:
    return words_of([*core.model.prompts[-1].items])


def remembered(core: CoreUnderTest) -> list[str]:
    """What the newest prompt says of its user."""
    first = told(core)[0]
    data: list[str] = json.loads(first.splitlines()[2])["remembered"] if "<user_data>" in first else []
    return data


def offered(core: CoreUnderTest) -> list[str]:
    return [tool.function.name for tool in core.model.prompts[-1].settings.tools.tools]


async def note(core: CoreUnderTest, client: AsyncOpenAI, assistant_id: str, *texts: str) -> None:
    for text in texts:
        core.model.add(calls((SAVE, noting(text))), says("Noted"))
        await client.responses.create(model=assistant_id, input="Remember")


async def test_alice_is_known_in_her_next_conversation(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    core.model.add(calls((SAVE, noting(NAME))), says("Hello, Alice!"), says("You are Alice."))
    first = await alice.responses.create(model=bridge.assistant_id, input="I am Alice")

    assert (first.status, first.output_text) == ("completed", "Hello, Alice!")
    assert [item.type for item in first.output] == ["message"]
    assert first.tools == []
    assert told(core)[-2:] == [f"{SAVE}({noting(NAME)})", "→ Noted."]

    second = await alice.responses.create(model=bridge.assistant_id, input="Who am I?")
    assert second.output_text == "You are Alice."
    assert remembered(core) == [NAME]
    assert told(core)[1:] == ["Who am I?"]

    (kept,) = await memories(http)
    assert (kept["text"], kept["assistantId"], kept["responseId"]) == (
        NAME,
        bridge.assistant_id,
        first.id,
    )


async def test_a_stream_shows_nothing_of_it(core: CoreUnderTest, bridge: BridgeUnderTest, alice: AsyncOpenAI) -> None:
    core.model.add(calls((SAVE, noting("Likes tea."))), says("Noted"))
    async with alice.responses.stream(model=bridge.assistant_id, input="I like tea") as stream:
        kinds = {event.type async for event in stream}
        final = await stream.get_final_response()
    assert final.output_text == "Noted"
    assert not [kind for kind in kinds if "call" in kind]


async def test_what_is_remembered_is_nobody_else_s(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    await note(core, alice, bridge.assistant_id, "Likes tea.")
    other = Assistant(name="Second", model="smollm2-135m", memory=True)
    second = await core.admin.CreateAssistant(CreateAssistantRequest(assistant=other), metadata=core.metadata())
    theirs, _ = await as_another_organization(core)
    await with_memory(theirs)

    core.model.add(*[says("Hi")] * 4)
    await bridge.sdk(**BOB).responses.create(model=bridge.assistant_id, input="Hello")
    assert remembered(core) == []
    await bridge.sdk().responses.create(model=bridge.assistant_id, input="Hello")
    assert (remembered(core), offered(core)) == ([], [])
    await alice.responses.create(model=second.id, input="Hello")
    assert (remembered(core), offered(core)) == ([], [SAVE])
    async with running_bridge(core.address, bridge.bridge.settings, key=theirs.key) as elsewhere:
        await elsewhere.sdk(**ALICE).responses.create(model=theirs.assistant_id, input="Hello")
    assert (remembered(core), offered(core)) == ([], [SAVE])
    assert await memories(http, **BOB) == []


async def test_alice_has_it_forgotten(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    await note(core, alice, bridge.assistant_id, "Likes tea.", "Has a cat.", "Lives in Köln.")
    cologne, cat, _ = await memories(http)
    assert (cologne["text"], cat["text"]) == ("Lives in Köln.", "Has a cat.")

    gone = await http.delete(f"/v1/memory/{cat['id']}", headers=ALICE)
    assert (gone.status_code, gone.json()) == (200, {"id": cat["id"], "deleted": True})
    again = await http.delete(f"/v1/memory/{cat['id']}", headers=ALICE)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "memory_not_found")
    core.model.add(says("Hi"), says("Hi"))
    await alice.responses.create(model=bridge.assistant_id, input="Hello")
    assert remembered(core) == ["Lives in Köln.", "Likes tea."]

    assert (await http.delete("/v1/memory", headers=ALICE)).json() == {"count": 2}
    await alice.responses.create(model=bridge.assistant_id, input="Hello")
    assert remembered(core) == []


async def test_the_list_says_where_it_goes_on(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    await note(core, alice, bridge.assistant_id, "One.", "Two.", "Three.")
    first = await http.get("/v1/memory?limit=2", headers=ALICE)
    rest = await http.get(first.links["next"]["url"], headers=ALICE)
    assert [each["text"] for answer in (first, rest) for each in answer.json()["memories"]] == [
        "Three.",
        "Two.",
        "One.",
    ]
    assert "link" not in rest.headers


async def test_the_same_is_remembered_once(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI
) -> None:
    await note(core, alice, bridge.assistant_id, "Likes tea.", "likes  TEA")
    assert [each["text"] for each in await memories(http)] == ["Likes tea."]
    assert told(core)[-1] == "→ That is known already."


@pytest.mark.parametrize("arguments", ['{"text": ""}', '{"text": 1}', "{}", json.dumps({"text": "x" * 1001})])
async def test_the_model_is_told_what_it_can_t_note(
    core: CoreUnderTest, bridge: BridgeUnderTest, http: httpx.AsyncClient, alice: AsyncOpenAI, arguments: str
) -> None:
    core.model.add(calls((SAVE, arguments)), says("Well"))
    answer = await alice.responses.create(model=bridge.assistant_id, input="Remember")
    assert (answer.output_text, await memories(http)) == ("Well", [])
    assert "tool_error" in told(core)[-1]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, [SAVE]),
        ({"tools": []}, []),
        ({"store": False}, []),
        ({"tools": [{"type": "function", "name": "look", "parameters": {}}]}, ["look", SAVE]),
        ({"tools": [{"type": "function", "name": "look", "parameters": {}}], "tool_choice": "none"}, ["look"]),
        ({"tools": [{"type": "function", "name": SAVE, "parameters": {}}]}, [SAVE]),
    ],
)
async def test_the_tool_is_offered_where_something_may_be_noted(
    core: CoreUnderTest, bridge: BridgeUnderTest, alice: AsyncOpenAI, asked: Json, names: list[str]
) -> None:
    core.model.add(says("Hi"))
    answer = await alice.responses.create(model=bridge.assistant_id, input="Hello", **asked)
    assert offered(core) == names
    assert [tool["name"] for tool in answer.model_dump()["tools"]] == [tool["name"] for tool in asked.get("tools", [])]


async def test_of_many_memories_those_about_the_first_input_are_told_in_every_turn(
    core: CoreUnderTest, bridge: BridgeUnderTest, alice: AsyncOpenAI
) -> None:
    facts = ["The user's cat is called Mimi.", *(f"Fact number {n}." for n in range(35))]
    await note(core, alice, bridge.assistant_id, *facts)
    core.model.add(says("Mimi"), says("Yes"))

    first = await alice.responses.create(model=bridge.assistant_id, input='What are my "cats" called?')
    known = remembered(core)
    assert len(known) == 30
    assert known[-1] == facts[0]
    assert known[0] == "Fact number 34."

    await alice.responses.create(model=bridge.assistant_id, input="Sure?", previous_response_id=first.id)
    assert remembered(core) == known
