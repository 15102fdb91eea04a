"""The bridge keeps to its own document, whatever it is asked: requests made up from the schemas, good ones and bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from rest_bridge.openapi.document import text
from rest_bridge.settings import Settings
from service.model.chunk import Chunk, ReasoningDelta, TextDelta
from service.model.model import Prompt
from service.model.scripted import STOP, ScriptedModel
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest

EXAMPLES = 8
"""How many requests are made up for each operation and each of the two kinds, good and bad."""
TURNS: Sequence[Sequence[Chunk]] = (
    (TextDelta("Hello"), STOP),
    (ReasoningDelta("Hm."), TextDelta("Hello"), STOP),
)
CONFIG: dict[str, Any] = {
    "seed": 1,
    "request-timeout": 20,
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True, "database": "none"},
    # The core knows more than a schema can say: which fields go together, which tool a choice names.
    "checks": {"positive_data_acceptance": {"enabled": False}},
    # Sequences and every border of every schema take minutes.
    "phases": {"coverage": {"enabled": False}, "stateful": {"enabled": False}},
    "continue-on-failure": True,
}


class Talker(ScriptedModel):
    """Always has something to say."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 3
        self.asked = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        self.asked += 1
        yield TURNS[self.asked % len(TURNS)]


@pytest.fixture
def model() -> ScriptedModel:
    return Talker()


@pytest.fixture
def bridge_settings() -> Settings:
    return Settings(drain_seconds=0.2, stop_seconds=5)


@pytest.mark.slow
async def test_every_answer_is_as_the_document_says(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    async with bridge.http() as http:
        stored = (await http.post("/v1/responses", json=bridge.body())).json()["id"]
        kept = (await http.post("/v1/conversations", json={"items": [{"role": "user", "content": "Hi"}]})).json()["id"]
        said = await http.post("/v1/responses", json=bridge.body(), headers={"x-user-id": "alice"})
        chat = said.json()["id"].removeprefix("resp_")
    document = with_ids(
        json.loads(text()), assistant=bridge.assistant_id, response=stored, conversation=kept, chat=chat
    )
    problems, count = await asyncio.to_thread(run, document, bridge)
    assert not problems, "\n\n".join(problems)
    assert count > EXAMPLES * len(document["paths"])
    assert isinstance(core.model, Talker)
    assert core.model.asked > 2, "nearly all requests for a response were refused"


def with_ids(document: dict[str, Any], **ids: str) -> dict[str, Any]:
    """The document with ids that exist: those that chance makes up never do."""
    components = document["components"]
    for name in ("CreateResponse", "CountInputTokens", "CompactResponse"):
        properties = components["schemas"][name]["properties"]
        properties["model"] = {"enum": [ids["assistant"]]}
        properties["previous_response_id"] = {"enum": [ids["response"], None]}
        properties["conversation"] = {"type": "null"}
    for name, known in ids.items():
        components["parameters"][f"{name}_id"]["schema"] = {"type": "string", "enum": [known]}
    # The same endpoints as below /v1: twice the requests would find the same.
    document["paths"] = {path: each for path, each in document["paths"].items() if not path.startswith("/user-claims")}
    return document


def run(document: dict[str, Any], bridge: BridgeUnderTest) -> tuple[list[str], int]:
    """What was wrong, and how many requests were made."""
    auth = {"openapi": {"bearer": {"bearer": bridge.key}, "apiKey": {"api_key": bridge.key}}}
    config = SchemathesisConfig.from_dict({**CONFIG, "base-url": bridge.url, "auth": auth})
    schema = schemathesis.openapi.from_dict(document, config=config)
    problems: list[str] = []
    count = 0
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            problems.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            problems.append(str(event.exception))
        elif isinstance(event, events.ScenarioFinished):
            count += len(event.recorder.interactions)
            problems.extend(_failures(event))
    return problems, count


def _failures(event: events.ScenarioFinished) -> Iterator[str]:
    for case_id, checks in event.recorder.checks.items():
        for check in checks:
            if check.status is not Status.SUCCESS and check.failure_info is not None:
                case = event.recorder.cases[case_id].value
                failure = check.failure_info.failure
                sent = f"{case.method} {case.formatted_path} {case.query} {case.headers}\n{case.body!r:.1000}"
                yield f"{check.name}: {failure.title}. {failure.message}\n{sent}"
