"""Files of vector stores are read in the background, alone or in batches, and gone when they are taken out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from nodexa.v1 import file_service_pb2
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import ChunkingStrategy, VectorStore, VectorStoreFile

from service.model.scripted import ScriptedModel
from service.settings import Settings
from service.store.archive import problems
from tests.conftest import CoreUnderTest, running_core
from tests.service.files import files, in_store, knowledge_in_days, read, search, store, stores, upload
from tests.service.keys import as_another_organization
from tests.service.refusals import refusal

COMPLETED, FAILED = VectorStoreFile.STATUS_COMPLETED, VectorStoreFile.STATUS_FAILED


async def test_a_file_that_can_t_be_read_says_why_and_the_others_are_found(core: CoreUnderTest) -> None:
    bad, good = await upload(core, b"\x89PNG\0", filename="a.png"), await upload(core, "Good words.")
    made = await store(core, bad, good)

    failed = await in_store(core, made, bad)
    assert (failed.status, failed.error.code) == (FAILED, "unsupported_file")
    assert "Only PDF, DOCX, HTML and text" in failed.error.message
    counts = (await read(core, made)).file_counts
    assert (counts.failed, counts.completed) == (1, 1)
    assert len(await search(core, made, "words")) == 1


async def test_what_is_taken_out_is_found_no_more_and_leaves_nothing(core: CoreUnderTest) -> None:
    first, second = await upload(core, "Red apples."), await upload(core, "Red cherries.")
    made = await store(core, first, second)
    request = pb.DeleteVectorStoreFileRequest(vector_store_id=made, file_id=first)
    await stores(core).DeleteVectorStoreFile(request, metadata=core.metadata())
    assert [text for _, text, _ in await search(core, made, "red")] == ["Red cherries."]

    await files(core).DeleteFile(file_service_pb2.DeleteFileRequest(id=second), metadata=core.metadata())
    assert await search(core, made, "red") == []
    assert (await refusal(in_store(core, made, second))).reason == "file_not_found"

    again = pb.CreateVectorStoreFileRequest(vector_store_id=made, file=pb.NewVectorStoreFile(file_id=first))
    await stores(core).CreateVectorStoreFile(again, metadata=core.metadata())
    await read(core, made)
    assert len(await search(core, made, "apples")) == 1
    await stores(core).DeleteVectorStore(pb.DeleteVectorStoreRequest(id=made), metadata=core.metadata())
    await expect_nothing_left(core, "passages")
    assert problems(core.data / "nodexa.db") == []


async def expect_nothing_left(core: CoreUnderTest, table: str, *, that: str = "true") -> None:
    """Waits until the table has no rows that are so."""
    query = f"select exists (select 1 from {table} where {that})"  # noqa: S608
    async with asyncio.timeout(20):
        while await core.core.database.read(lambda db: db.conn.execute(query).fetchone()[0]):
            pass


async def test_files_are_cut_as_asked_and_their_text_is_shown(core: CoreUnderTest) -> None:
    name = await upload(core, " ".join(f"w{number}" for number in range(250)))
    chunking = ChunkingStrategy(max_chunk_tokens=100, overlap_tokens=0)
    made = await store(core, name, chunking=chunking)

    shown = await in_store(core, made, name)
    assert (shown.chunking.max_chunk_tokens, shown.chunking.overlap_tokens) == (100, 0)
    request = pb.ReadVectorStoreFileRequest(vector_store_id=made, file_id=name)
    told = [message async for message in stores(core).ReadVectorStoreFile(request, metadata=core.metadata())]
    assert [len(text.split()) for message in told for text in message.texts] == [100, 100, 50]


async def test_a_batch_is_followed_listed_and_cancelled(core: CoreUnderTest) -> None:
    made = await store(core, await upload(core, "Before."))
    names = [await upload(core, f"Text {number}.") for number in range(3)]
    request = pb.CreateVectorStoreFileBatchRequest(
        vector_store_id=made, files=[pb.NewVectorStoreFile(file_id=name) for name in names]
    )
    batch = await stores(core).CreateVectorStoreFileBatch(request, metadata=core.metadata())
    assert sum(getattr(batch.file_counts, word) for word in ("in_progress", "completed")) == 3
    await read(core, made)

    asked = pb.GetVectorStoreFileBatchRequest(vector_store_id=made, id=batch.id)
    done = await stores(core).GetVectorStoreFileBatch(asked, metadata=core.metadata())
    assert (done.status, done.file_counts.completed) == (COMPLETED, 3)
    listing = pb.ListVectorStoreFilesRequest(
        vector_store_id=made, batch_id=batch.id, oldest_first=True, page_size=2, status=COMPLETED
    )
    page = await stores(core).ListVectorStoreFiles(listing, metadata=core.metadata())
    listing.page_token = page.next_page_token
    rest = await stores(core).ListVectorStoreFiles(listing, metadata=core.metadata())
    assert [file.file_id for file in (*page.files, *rest.files)] == names
    cancelling = pb.CancelVectorStoreFileBatchRequest(vector_store_id=made, id=batch.id)
    assert await stores(core).CancelVectorStoreFileBatch(cancelling, metadata=core.metadata()) == done


async def test_a_cancelled_batch_gives_up_what_was_not_read(core: CoreUnderTest) -> None:
    made = await store(core)
    names = [await upload(core, "word " * 2000) for _ in range(8)]
    request = pb.CreateVectorStoreFileBatchRequest(
        vector_store_id=made, files=[pb.NewVectorStoreFile(file_id=name) for name in names]
    )
    batch = await stores(core).CreateVectorStoreFileBatch(request, metadata=core.metadata())
    cancelling = pb.CancelVectorStoreFileBatchRequest(vector_store_id=made, id=batch.id)
    cancelled = await stores(core).CancelVectorStoreFileBatch(cancelling, metadata=core.metadata())

    assert cancelled.status == VectorStoreFile.STATUS_CANCELLED
    assert (cancelled.file_counts.in_progress, cancelled.file_counts.cancelled > 0) == (0, True)
    await expect_nothing_left(core, "vector_store_files", that="status = 'cancelled' and swept = 0")
    found = await search(core, made, "word")
    assert bool(found) == bool(cancelled.file_counts.completed)


async def test_what_was_not_read_when_a_core_stopped_is_read_by_the_next(settings: Settings) -> None:
    async with running_core(settings, ScriptedModel()) as first:
        made = await store(first)
        names = [await upload(first, f"Number {number}. " + "word " * 5000) for number in range(6)]
        request = pb.CreateVectorStoreFileBatchRequest(
            vector_store_id=made, files=[pb.NewVectorStoreFile(file_id=name) for name in names]
        )
        await stores(first).CreateVectorStoreFileBatch(request, metadata=first.metadata())
    async with running_core(settings, ScriptedModel()) as again:
        second = replace(again, quickstart=first.quickstart)
        assert (await read(second, made)).file_counts.completed == 6
        found = await search(second, made, "number", max_results=50)
        assert len(found) == len({text for _, text, _ in found}) == 6


async def test_a_vector_store_that_nobody_uses_expires(core: CoreUnderTest) -> None:
    name = await upload(core, "Old news.")
    made = await store(core, name, expires_after_days=1)

    later = knowledge_in_days(core, 2)
    await later.prune()
    org_id = (await core.core.database.read(lambda db: db.conn.execute("select org_id from files").fetchone()))[0]
    shown = await later.shelf.get(made, org_id)

    assert (shown.status, shown.file_counts.completed) == (VectorStore.STATUS_EXPIRED, 0)
    with pytest.raises(Exception, match="has expired"):
        await later.search.expect_known([made], org_id, path="id")
    assert (await refusal(in_store(core, made, name))).reason == "file_not_found"


async def test_a_vector_store_is_changed(core: CoreUnderTest) -> None:
    made = await store(core, name="Old", metadata={"a": "b"})
    request = pb.UpdateVectorStoreRequest(id=made, expires_after_days=3)
    kept = await stores(core).UpdateVectorStore(request, metadata=core.metadata())
    assert (kept.name, dict(kept.metadata), kept.expires_after_days) == ("Old", {"a": "b"}, 3)
    assert kept.expire_time.seconds - kept.last_active_time.seconds == 3 * 24 * 3600

    request = pb.UpdateVectorStoreRequest(id=made, name="New", metadata={"entries": {}}, expires_after_days=0)
    changed = await stores(core).UpdateVectorStore(request, metadata=core.metadata())
    assert (changed.name, dict(changed.metadata), changed.HasField("expire_time")) == ("New", {}, False)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("rpc", "request_", "reason", "param"),
    [
        ("CreateVectorStore", {"name": "a" * 257}, "invalid_request", "name"),
        ("CreateVectorStore", {"expires_after_days": 366}, "invalid_request", "expires_after_days"),
        ("CreateVectorStore", {"metadata": {"": "x"}}, "invalid_request", "metadata"),
        ("CreateVectorStore", {"file_ids": ["file_x"]}, "file_not_found", "file_ids[0]"),
        ("SearchVectorStore", {"id": "{id}"}, "missing_required_field", "query"),
        ("SearchVectorStore", {"id": "{id}", "queries": [" "]}, "missing_required_field", "query"),
        (
            "SearchVectorStore",
            {"id": "{id}", "queries": ["a"], "max_results": 51},
            "invalid_request",
            "max_num_results",
        ),
        ("SearchVectorStore", {"id": "{id}", "queries": ["a"], "filters_json": "{"}, "invalid_request", "filters"),
        (
            "SearchVectorStore",
            {"id": "{id}", "queries": ["a"], "filters_json": "{}"},
            "invalid_request",
            "filters.type",
        ),
        ("CreateVectorStoreFile", {"vector_store_id": "{id}"}, "file_not_found", "file_id"),
        ("CreateVectorStoreFileBatch", {"vector_store_id": "{id}"}, "missing_required_field", "files"),
        (
            "CreateVectorStoreFileBatch",
            {"vector_store_id": "{id}", "files": [{"file_id": "{file}"}, {"file_id": "{file}"}]},
            "invalid_request",
            "files[1].file_id",
        ),
        (
            "CreateVectorStoreFile",
            {"vector_store_id": "{id}", "file": {"file_id": "{file}", "chunking": {"max_chunk_tokens": 99}}},
            "invalid_request",
            "chunking.max_chunk_tokens",
        ),
        (
            "CreateVectorStoreFile",
            {"vector_store_id": "{id}", "file": {"file_id": "{file}", "chunking": {"overlap_tokens": 401}}},
            "invalid_request",
            "chunking.overlap_tokens",
        ),
        (
            "CreateVectorStoreFile",
            {"vector_store_id": "{id}", "file": {"file_id": "{file}", "attributes": {"a": {"text": "x" * 513}}}},
            "invalid_request",
            "attributes",
        ),
    ],
)
async def test_what_can_t_be_is_refused_by_its_name(
    shared: CoreUnderTest, rpc: str, request_: dict[str, Any], reason: str, param: str
) -> None:
    made, file = await store(shared), await upload(shared)
    fields = json.loads(json.dumps(request_).replace("{id}", made).replace("{file}", file))
    request = getattr(pb, f"{rpc}Request")(**fields)
    answer = await refusal(getattr(stores(shared), rpc)(request, metadata=shared.metadata()))
    assert (answer.reason, answer.param) == (reason, param)


async def test_another_organization_s_file_can_t_be_added(core: CoreUnderTest) -> None:
    theirs = await upload((await as_another_organization(core))[0])
    made = await store(core)
    request = pb.CreateVectorStoreFileRequest(vector_store_id=made, file=pb.NewVectorStoreFile(file_id=theirs))
    answer = await refusal(stores(core).CreateVectorStoreFile(request, metadata=core.metadata()))
    assert (answer.reason, answer.param) == ("file_not_found", "file_id")
