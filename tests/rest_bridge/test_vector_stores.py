"""Vector stores through the Python SDK, and each field and page that can't be, refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.documents import HANDBOOK, word
from tests.rest_bridge.conftest import BridgeUnderTest


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
