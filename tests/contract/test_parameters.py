"""Somebody decided what becomes of every parameter of the SDK: a newer one fails here until somebody does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from openai.resources import Files, Models, VectorStores
from openai.resources.conversations import Conversations, Items
from openai.resources.responses import InputItems, InputTokens, Responses
from openai.resources.vector_stores import FileBatches
from openai.resources.vector_stores import Files as StoreFiles

from rest_bridge.wire.compaction import READ, parse_compact
from rest_bridge.wire.conversation import parse_addition, parse_conversation, parse_update
from rest_bridge.wire.request import FIELDS, Treatment

PATH: Final = "stands in the path"
QUERY: Final = "read from the query"
BODY: Final = "read from the body"
NOTED: Final = "accepted without effect, and listed in nodexa.ignored"
ALWAYS: Final = "asks for what is given back in any case"
NO_EFFECT: Final = "nothing that is told depends on it"

REFUSED: Final = "refused: 400 unsupported_parameter"

_LIST: Final = {"after": QUERY, "limit": QUERY, "order": QUERY}
_PAGE: Final = {"after": QUERY, "limit": QUERY, "order": QUERY, "include": ALWAYS}

DECIDED: Final[Mapping[Callable[..., Any], Mapping[str, str]]] = {
    Responses.retrieve: {
        "response_id": PATH,
        "stream": QUERY,
        "starting_after": QUERY,
        "include": ALWAYS,
        "include_obfuscation": NO_EFFECT,
    },
    Responses.cancel: {"response_id": PATH},
    Responses.delete: {"response_id": PATH},
    Responses.compact: {
        **dict.fromkeys(
            ("model", "input", "previous_response_id", "instructions", "prompt_cache_key", "service_tier"), BODY
        ),
        **dict.fromkeys(("prompt_cache_options", "prompt_cache_retention", "image"), NOTED),
    },
    InputItems.list: {"response_id": PATH, **_PAGE},
    InputTokens.count: {
        **dict.fromkeys(
            ("conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id",
             "reasoning", "text", "tool_choice", "tools", "truncation"), BODY
        ),
        "personality": NO_EFFECT,
    },
    Conversations.create: {"items": BODY, "metadata": BODY},
    Conversations.update: {"conversation_id": PATH, "metadata": BODY},
    Conversations.retrieve: {"conversation_id": PATH},
    Conversations.delete: {"conversation_id": PATH},
    Items.create: {"conversation_id": PATH, "items": BODY, "include": ALWAYS},
    Items.list: {"conversation_id": PATH, **_PAGE},
    Items.retrieve: {"conversation_id": PATH, "item_id": PATH, "include": ALWAYS},
    Items.delete: {"conversation_id": PATH, "item_id": PATH},
    Files.create: {"file": BODY, "purpose": BODY, "expires_after": BODY},
    Files.retrieve: {"file_id": PATH},
    Files.list: {**_LIST, "purpose": QUERY},
    Files.delete: {"file_id": PATH},
    Files.content: {"file_id": PATH},
    VectorStores.create: dict.fromkeys(
        ("name", "description", "metadata", "expires_after", "file_ids", "chunking_strategy"), BODY
    ),
    VectorStores.retrieve: {"vector_store_id": PATH},
    VectorStores.update: {"vector_store_id": PATH, "name": BODY, "metadata": BODY, "expires_after": BODY},
    VectorStores.list: {**_LIST, "before": REFUSED},
    VectorStores.delete: {"vector_store_id": PATH},
    VectorStores.search: {
        "vector_store_id": PATH,
        **dict.fromkeys(("query", "filters", "max_num_results", "ranking_options"), BODY),
        "rewrite_query": NOTED,
    },
    StoreFiles.create: {
        "vector_store_id": PATH, **dict.fromkeys(("file_id", "attributes", "chunking_strategy"), BODY)
    },
    StoreFiles.retrieve: {"vector_store_id": PATH, "file_id": PATH},
    StoreFiles.update: {"vector_store_id": PATH, "file_id": PATH, "attributes": BODY},
    StoreFiles.list: {"vector_store_id": PATH, **_LIST, "filter": QUERY, "before": REFUSED},
    StoreFiles.delete: {"vector_store_id": PATH, "file_id": PATH},
    StoreFiles.content: {"vector_store_id": PATH, "file_id": PATH},
    FileBatches.create: {
        "vector_store_id": PATH, **dict.fromkeys(("file_ids", "files", "attributes", "chunking_strategy"), BODY)
    },
    FileBatches.retrieve: {"vector_store_id": PATH, "batch_id": PATH},
    FileBatches.cancel: {"vector_store_id": PATH, "batch_id": PATH},
    FileBatches.list_files: {
        "vector_store_id": PATH, "batch_id": PATH, **_LIST, "filter": QUERY, "before": REFUSED
    },
    Models.list: {},
    Models.retrieve: {"model": PATH},
}  # fmt: skip
"""The calls of the SDK, apart from `responses.create`, whose table is in the bridge: it is a part of the product."""

# They send what `create` and `retrieve` do; a model can't be deleted, it is an assistant.
_POLLING: Final = {"create_and_poll", "upload_and_poll", "poll"}
OF_THE_SDK: Final = {
    Responses: {"create", "stream", "parse", "connect"},
    Models: {"delete"},
    # An older name of `content`, and one that only waits.
    Files: {"retrieve_content", "wait_for_processing"},
    StoreFiles: {*_POLLING, "upload"},
    FileBatches: _POLLING,
}
RESOURCES: Final = (
    Responses, InputItems, InputTokens, Conversations, Items, Files, VectorStores, StoreFiles, FileBatches, Models
)  # fmt: skip
OF_THE_CALL: Final = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}


@pytest.mark.parametrize("call", DECIDED, ids=lambda call: call.__qualname__)
def test_every_parameter_of_a_call_is_decided(call: Callable[..., Any]) -> None:
    assert set(inspect.signature(call).parameters) - OF_THE_CALL == set(DECIDED[call])


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_call_is_decided(resource: type) -> None:
    found = {name for name, call in vars(resource).items() if inspect.isfunction(call) and not name.startswith("_")}
    decided = {call.__name__ for call in DECIDED if vars(resource).get(call.__name__) is call}
    assert found == decided | OF_THE_SDK.get(resource, set())


def test_a_count_reads_what_an_answer_would() -> None:
    for name, decision in DECIDED[InputTokens.count].items():
        field = FIELDS.get(name)
        assert (field is not None and field.treatment is not Treatment.NOTED) == (decision == BODY), name


def test_what_a_compaction_does_not_read_is_noted() -> None:
    for name, decision in DECIDED[Responses.compact].items():
        assert (name in READ) == (decision == BODY), name
    noted = [name for name, decision in DECIDED[Responses.compact].items() if decision == NOTED]
    asked = parse_compact({"model": "asst_1", "input": "Hello", **dict.fromkeys(noted, "x")})
    assert set(asked.settings.ignored) == set(noted)


def test_what_conversations_do_not_read_is_noted() -> None:
    ignored: list[str] = []
    parse_conversation({"items": [], "metadata": {}, "made_up": 1}, ignored)
    parse_update("conv_1", {"metadata": {}, "made_up": 2}, ignored)
    parse_addition("conv_1", {"items": [], "made_up": 3}, ignored)
    assert ignored == ["made_up"] * 3
