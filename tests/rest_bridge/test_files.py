"""Files and vector stores through the Python SDK, and uploads in every form, good and bad."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from rest_bridge.settings import Settings
from service.model.scripted import calls, says
from tests.conftest import CoreUnderTest
from tests.documents import pdf, word
from tests.rest_bridge.conftest import BridgeUnderTest
from tests.rest_bridge.ladder import events_of

HANDBOOK = pdf("Employees have thirty days of vacation.", "Parrots are welcome in the office.")
EDGE = "b" * 30


@pytest.fixture
def bridge_settings() -> Settings:
    return Settings(drain_seconds=0.2, stop_seconds=5, max_upload_bytes=3 * 1024 * 1024, upload_seconds=5)


async def test_a_file_is_uploaded_listed_given_back_and_deleted(bridge: BridgeUnderTest) -> None:
    async with bridge.sdk() as client:
        made = await client.files.create(
            file=('Ünï "1".pdf', HANDBOOK),
            purpose="assistants",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert (made.filename, made.bytes, made.purpose) == ('Ünï "1".pdf', len(HANDBOOK), "assistants")
        assert (made.expires_at or 0) - made.created_at == 3600
        assert await client.files.retrieve(made.id) == made
        other = await client.files.create(file=b"Hi", purpose="user_data")
        assert [file.id async for file in client.files.list(limit=1, order="asc")] == [made.id, other.id]
        assert [file.id async for file in client.files.list(purpose="user_data")] == [other.id]
        given = await client.files.content(made.id)
        assert given.content == HANDBOOK
        assert given.response.headers["x-content-type-options"] == "nosniff"
        assert (await client.files.delete(made.id)).deleted
        for gone in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError) as refused:
                await gone(made.id)
            assert refused.value.code == "file_not_found"


async def test_a_large_file_goes_in_pieces_and_one_that_is_too_large_is_refused(bridge: BridgeUnderTest) -> None:
    data = bytes(range(256)) * 4096 * 2
    async with bridge.sdk() as client:
        made = await client.files.create(file=("large.bin", data), purpose="user_data")
        assert (await client.files.content(made.id)).content == data
        with pytest.raises(openai.APIStatusError) as refused:
            await client.files.create(file=("huge.bin", data + data), purpose="user_data")
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")


async def test_an_upload_without_a_length_is_measured_as_it_comes(bridge: BridgeUnderTest) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield form(("purpose", "assistants")).removesuffix(end()) + head("file", 'filename="a"')
        for _ in range(100):
            yield bytes(100_000)

    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=endless(), headers=typed())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def typed(boundary: str = EDGE) -> dict[str, str]:
    return {"content-type": f"multipart/form-data; boundary={boundary}"}


def head(name: str, more: str = "") -> bytes:
    return f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"; {more}\r\n\r\n'.encode()


def end() -> bytes:
    return f"--{EDGE}--\r\n".encode()


def form(*fields: tuple[str, str], file: bytes | None = None) -> bytes:
    parts = [head(name) + value.encode() + b"\r\n" for name, value in fields]
    if file is not None:
        parts.insert(0, head("file", 'filename="a.txt"') + file + b"\r\n")
    return b"".join(parts) + end()


USED = ("purpose", "assistants")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"", "invalid_request", None),
        (b"no form", "invalid_request", None),
        (form(USED, file=b"Hi").removesuffix(end()), "invalid_request", None),
        (form(USED), "missing_required_field", "file"),
        (form(file=b"Hi"), "missing_required_field", "purpose"),
        (form(("purpose", "fine-tune"), file=b"Hi"), "invalid_request", "purpose"),
        (form(USED, file=b"Hi").replace(b'"a.txt"', b'""'), "missing_required_field", "filename"),
        (form(USED, ("expires_after[seconds]", "3600"), file=b""), "invalid_request", "expires_after[anchor]"),
        (
            form(USED, ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "x"), file=b""),
            "invalid_request",
            "expires_after[seconds]",
        ),
        (
            form(USED, ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "60"), file=b""),
            "invalid_request",
            "expires_after[seconds]",
        ),
        (form(*[(f"f{number}", "") for number in range(40)]), "invalid_request", None),
        (form(("purpose", "x" * 70_000)), "invalid_request", None),
        (form(USED, file=b"Hi").removesuffix(end()) + form(file=b"Again"), "invalid_request", "file"),
    ],
)
async def test_a_form_that_can_t_be_is_refused_in_words(
    bridge: BridgeUnderTest, body: bytes, code: str, param: str | None
) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=body, headers=typed())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "text/plain; boundary=x"])
async def test_what_is_no_form_is_refused(bridge: BridgeUnderTest, kind: str) -> None:
    async with bridge.http() as http:
        answer = await http.post("/v1/files", content=b"{}", headers={"content-type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_fields_come_in_any_order_and_unknown_ones_are_noted(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        body = form(("made_up", "1"), USED, file=b"Hi")
        answer = await http.post("/v1/files", content=body, headers=typed())
    assert (answer.status_code, answer.json()["nodexa"]) == (200, {"ignored": ["made_up"]})


async def test_a_wrong_key_uploads_nothing(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="nxk_wrong") as http:
        data = {"purpose": "user_data"}
        answer = await http.post("/v1/files", data=data, files={"file": bytes(2 * 1024 * 1024)})
    assert answer.status_code == 401


async def test_a_vector_store_is_filled_searched_and_emptied_by_the_sdk(bridge: BridgeUnderTest) -> None:
    async with bridge.sdk() as client:
        first = await client.files.create(file=("handbook.pdf", HANDBOOK), purpose="assistants")
        store = await client.vector_stores.create(
            name="Rules",
            file_ids=[first.id],
            expires_after={"anchor": "last_active_at", "days": 7},
            metadata={"a": "b"},
        )
        second = await client.vector_stores.files.upload_and_poll(
            vector_store_id=store.id,
            file=("bees.docx", word("Bees dance.")),
            attributes={"year": 2024, "final": True, "by": "Ada"},
            chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 0}},
        )
        await client.vector_stores.files.poll(first.id, vector_store_id=store.id)
        assert (second.status, second.attributes) == ("completed", {"year": 2024, "final": True, "by": "Ada"})
        shown = await client.vector_stores.retrieve(store.id)
        assert (shown.status, shown.file_counts.completed, shown.file_counts.total) == ("completed", 2, 2)
        assert (shown.expires_at or 0) - (shown.last_active_at or 0) == 7 * 24 * 3600

        found = await client.vector_stores.search(store.id, query="How much vacation?", max_num_results=1)
        assert [(each.filename, 0 < each.score <= 1) for each in found.data] == [("handbook.pdf", True)]
        assert "thirty days" in found.data[0].content[0].text
        newer: Any = {"type": "and", "filters": [{"type": "gte", "key": "year", "value": 2024}]}
        found = await client.vector_stores.search(store.id, query=["bees", "parrots"], filters=newer)
        assert [each.filename for each in found.data] == ["bees.docx"]

        updated = await client.vector_stores.files.update(second.id, vector_store_id=store.id, attributes={"year": 1})
        assert updated.attributes == {"year": 1}
        listed = [file.id async for file in client.vector_stores.files.list(store.id, limit=1, order="asc")]
        assert listed == [first.id, second.id]
        texts = await client.vector_stores.files.content(second.id, vector_store_id=store.id)
        assert [part.text for part in texts.data] == ["Bees dance."]
        assert (await client.vector_stores.files.delete(second.id, vector_store_id=store.id)).deleted
        assert (await client.vector_stores.update(store.id, name="New", expires_after=None)).name == "New"
        assert [each.name async for each in client.vector_stores.list()] == ["New"]
        assert (await client.vector_stores.delete(store.id)).deleted
        assert (await client.files.retrieve(second.id)).filename == "bees.docx"


async def test_batches_are_uploaded_followed_and_listed_by_the_sdk(bridge: BridgeUnderTest) -> None:
    async with bridge.sdk() as client:
        store = await client.vector_stores.create()
        batch = await client.vector_stores.file_batches.upload_and_poll(
            store.id, files=[("a.txt", b"Apples."), ("b.md", b"Berries."), ("c.png", b"\x89PNG\0")]
        )
        counts = batch.file_counts
        assert (batch.status, counts.completed, counts.failed, counts.total) == ("completed", 2, 1, 3)
        failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed")
        assert [file.last_error and file.last_error.code async for file in failed] == ["unsupported_file"]
        again = await client.files.create(file=("d.txt", b"Dates."), purpose="assistants")
        noted: Any = [{"file_id": again.id, "attributes": {"sweet": True}}]
        second = await client.vector_stores.file_batches.create_and_poll(store.id, files=noted)
        assert second.status == "completed"
        same = await client.vector_stores.file_batches.cancel(second.id, vector_store_id=store.id)
        assert same.status == "completed"


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("", {"name": 1}, "invalid_request", "name"),
        ("", {"expires_after": {"anchor": "created_at", "days": 1}}, "invalid_request", "expires_after.anchor"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 0}}, "invalid_request", "expires_after.days"),
        ("", {"chunking_strategy": {"type": "none"}}, "invalid_request", "chunking_strategy.type"),
        ("/{id}/search", {}, "missing_required_field", "query"),
        ("/{id}/search", {"query": 1}, "invalid_request", "query"),
        ("/{id}/search", {"query": "a", "max_num_results": 0}, "invalid_request", "max_num_results"),
        ("/{id}/search", {"query": "a", "filters": []}, "invalid_request", "filters"),
        (
            "/{id}/search",
            {"query": "a", "ranking_options": {"score_threshold": 2}},
            "invalid_request",
            "ranking_options.score_threshold",
        ),
        (
            "/{id}/search",
            {"query": "a", "ranking_options": {"ranker": "best"}},
            "invalid_request",
            "ranking_options.ranker",
        ),
        (
            "/{id}/search",
            {"query": "a", "ranking_options": {"hybrid_search": {"embedding_weight": 1}}},
            "invalid_request",
            "ranking_options.hybrid_search.text_weight",
        ),
        (
            "/{id}/search",
            {"query": "a", "ranking_options": {"hybrid_search": {"embedding_weight": 1, "text_weight": 1}}},
            "invalid_request",
            "ranking_options.hybrid_search",
        ),
        ("/{id}/files", {}, "missing_required_field", "file_id"),
        ("/{id}/files", {"file_id": "file_x", "attributes": {"a": []}}, "invalid_request", "attributes.a"),
        ("/{id}/file_batches", {}, "missing_required_field", "file_ids"),
        ("/{id}/file_batches", {"files": [{}]}, "missing_required_field", "files[0].file_id"),
    ],
)
async def test_a_wrong_field_is_refused_by_its_name(
    bridge: BridgeUnderTest, path: str, body: dict[str, Any], code: str, param: str
) -> None:
    async with bridge.http() as http:
        made = (await http.post("/v1/vector_stores", json={})).json()["id"]
        answer = await http.post(f"/v1/vector_stores{path.replace('{id}', made)}", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_what_has_no_effect_is_noted_and_pages_go_forward(bridge: BridgeUnderTest) -> None:
    async with bridge.http() as http:
        made = (await http.post("/v1/vector_stores", json={"made_up": 1})).json()
        body = {"query": "a", "rewrite_query": True, "ranking_options": {"ranker": "default-2024-11-15"}}
        found = (await http.post(f"/v1/vector_stores/{made['id']}/search", json=body)).json()
        back = await http.get("/v1/vector_stores?before=vs_1")
    assert made["nodexa"]["ignored"] == ["made_up"]
    assert found["nodexa"]["ignored"] == ["rewrite_query", "ranking_options.ranker"]
    assert (back.status_code, back.json()["error"]["param"]) == (400, "before")


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/files?order=up", "order"),
        ("/v1/files?limit=0", "limit"),
        ("/v1/files?purpose=batch", "purpose"),
        ("/v1/vector_stores?limit=101", "limit"),
        ("/v1/vector_stores?order=up", "order"),
        ("/v1/vector_stores/{id}/files?filter=done", "filter"),
        ("/v1/vector_stores/{id}/files?before=file_1", "before"),
        ("/v1/vector_stores/{id}/files?after=file_1", "after"),
        ("/v1/vector_stores/{id}/file_batches/{batch}/files?before=file_1", "before"),
        ("/v1/vector_stores/{id}/file_batches/{batch}/files?filter=done", "filter"),
    ],
)
async def test_a_page_that_can_t_be_is_refused_by_its_parameter(bridge: BridgeUnderTest, path: str, param: str) -> None:
    async with bridge.sdk() as client, bridge.http() as http:
        store = await client.vector_stores.create()
        file = await client.files.create(file=("a.txt", b"Apples."), purpose="assistants")
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
        answer = await http.get(path.replace("{id}", store.id).replace("{batch}", batch.id))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


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
