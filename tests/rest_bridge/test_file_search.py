"""What models read of uploaded files: found by `file_search`, or given to them in the input."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.documents import HANDBOOK
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of


async def store_with(client: openai.AsyncOpenAI, **files: bytes) -> str:
    store = await client.vector_stores.create()
    named = [(name.replace("_", "."), data) for name, data in files.items()]
    await client.vector_stores.file_batches.upload_and_poll(store.id, files=named)
    return store.id


async def test_a_model_searches_files_and_cites_them(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    asked = '{"queries": ["vacation days", "parrots"]}'
    core.model.add(calls(("file_search", asked)), says("You have thirty days [1]."))
    async with bridge.sdk() as client, bridge.http() as http:
        store = await store_with(client, handbook_pdf=HANDBOOK, bees_txt=b"Bees dance.")
        tool = {"type": "file_search", "vector_store_ids": [store]}
        answer = await http.post("/v1/responses", json=bridge.body(stream=True, tools=[tool]))

    events = events_of(answer.content)
    search, message = events[-1]["response"]["output"]
    assert (search["type"], search["status"]) == ("file_search_call", "completed")
    assert (search["queries"], search.get("results")) == (["vacation days", "parrots"], None)
    phases = [event["type"].rpartition(".")[2] for event in events if "file_search_call" in event["type"]]
    assert phases == ["in_progress", "searching", "completed"]
    [annotation] = message["content"][0]["annotations"]
    assert (annotation["type"], annotation["filename"], annotation["index"]) == ("file_citation", "handbook.pdf", 21)
    told = core.model.prompts[-1].items[-1].function_call_output.text
    assert told.startswith("[1] handbook.pdf\n")
    assert "thirty days" in told
    assert "Bees" not in told


async def test_results_are_shown_to_who_asks_and_filters_hold(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("file_search", '{"queries": ["dance"]}')), says("Bees."))
    async with bridge.sdk() as client:
        store = await store_with(client, bees_txt=b"Bees dance.", ants_txt=b"Ants dance too.")
        async for file in client.vector_stores.files.list(store):
            name = (await client.files.retrieve(file.id)).filename
            await client.vector_stores.files.update(file.id, vector_store_id=store, attributes={"name": name})
        tool: Any = {
            "type": "file_search",
            "vector_store_ids": [store],
            "filters": {"type": "eq", "key": "name", "value": "bees.txt"},
            "max_num_results": 5,
            "ranking_options": {"ranker": "default-2024-11-15", "score_threshold": 0.1},
        }
        response = await client.responses.create(
            model=bridge.assistant_id, input="Who?", tools=[tool], include=["file_search_call.results"]
        )
    [search] = [item for item in response.output if item.type == "file_search_call"]
    assert [(each.filename, each.text) for each in search.results or ()] == [("bees.txt", "Bees dance.")]
    assert (response.model_extra or {})["nodexa"]["ignored"] == ["tools[0].ranking_options.ranker"]


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"vector_store_ids": []}, 400, "missing_required_field", "tools[0].vector_store_ids"),
        ({"vector_store_ids": [1]}, 400, "invalid_request", "tools[0].vector_store_ids"),
        ({"vector_store_ids": ["vs_68abc"]}, 404, "vector_store_not_found", "tools[0].vector_store_ids[0]"),
        ({"max_num_results": 51}, 400, "invalid_request", "tools[0].max_num_results"),
        ({"max_num_results": "x"}, 400, "invalid_request", "tools[0].max_num_results"),
        ({"filters": {"type": "x"}}, 400, "invalid_request", "tools[0].filters.type"),
        ({"ranking_options": 1}, 400, "invalid_request", "tools[0].ranking_options"),
        ({"ranking_options": {"ranker": "best"}}, 400, "invalid_request", "tools[0].ranking_options.ranker"),
        *(
            (
                {"ranking_options": {"hybrid_search": hybrid}},
                400,
                "invalid_request",
                f"tools[0].ranking_options.{param}",
            )
            for hybrid, param in (
                ({}, "hybrid_search"),
                ({"embedding_weight": True, "text_weight": 1}, "hybrid_search.embedding_weight"),
                ({"embedding_weight": 1, "text_weight": 1}, "hybrid_search"),
            )
        ),
        (
            {"ranking_options": {"score_threshold": 2}},
            400,
            "invalid_request",
            "tools[0].ranking_options.score_threshold",
        ),
    ],
)
async def test_a_search_that_can_t_be_is_refused_by_its_place(
    bridge: BridgeUnderTest, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    async with bridge.http() as http:
        made = (await http.post("/v1/vector_stores", json={})).json()["id"]
        tool = {"type": "file_search", "vector_store_ids": [made], **change}
        answer = await http.post("/v1/responses", json=bridge.body(tools=[tool]))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


async def test_a_search_for_nothing_is_told_to_the_model(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(calls(("file_search", '{"queries": []}')), says("I could not."))
    async with bridge.http() as http:
        made = (await http.post("/v1/vector_stores", json={})).json()["id"]
        tool = {"type": "file_search", "vector_store_ids": [made]}
        answer = await http.post("/v1/responses", json=bridge.body(tools=[tool]))
    [search, _] = answer.json()["output"]
    assert search["status"] == "failed"
    assert "queries is a list of texts" in core.model.prompts[-1].items[-1].function_call_output.text


async def test_an_uploaded_file_is_an_input(bridge: BridgeUnderTest, core: CoreUnderTest) -> None:
    core.model.add(says("Thirty days."))
    async with bridge.sdk() as client:
        made = await client.files.create(file=("handbook.pdf", HANDBOOK), purpose="user_data")
        part: Any = {"type": "input_file", "file_id": made.id}
        asked: Any = {"role": "user", "content": [{"type": "input_text", "text": "How much vacation?"}, part]}
        response = await client.responses.create(model=bridge.assistant_id, input=[asked])
        [kept] = (await client.responses.input_items.list(response.id)).data
        part["file_id"] = "file-unknown"
        with pytest.raises(openai.NotFoundError) as refused:
            await client.responses.create(model=bridge.assistant_id, input=[asked])
    assert response.output_text == "Thirty days."
    told = core.model.prompts[0].items[0].message.content[1].input_text.text
    assert told.startswith("File handbook.pdf:\nEmployees have thirty days of vacation.")
    assert kept.to_dict()["content"][1] == {"type": "input_file", "file_id": made.id}  # type: ignore[index]
    assert (refused.value.code, refused.value.param) == ("file_not_found", "input[0].content[1].file_id")
