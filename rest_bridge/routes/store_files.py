"""The endpoints of the files in vector stores, alone and in batches."""

from __future__ import annotations

from typing import Any, Final

import grpc
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import VectorStoreFile, VectorStoreFileBatch

from rest_bridge.core import refused
from rest_bridge.routes.call import Answer, Call, answer, json_body, noting, page_object
from rest_bridge.routes.query import Query
from rest_bridge.routes.vector_stores import expect_forward
from rest_bridge.wire import shape
from rest_bridge.wire.store_file import (
    STATUS_WORDS,
    parse_attributes,
    parse_batch,
    parse_new,
    render_batch,
    render_store_file,
    render_texts,
)
from rest_bridge.wire.vector_store import render_counts

POLL: Final = ((b"openai-poll-after-ms", b"200"),)
"""When the SDKs ask again whether a file was read; by themselves they wait a second."""
_STATUSES: Final = {word: number for number, word in STATUS_WORDS.items()}


async def create(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}/files."""
    ignored: list[str] = []
    request = pb.CreateVectorStoreFileRequest(
        vector_store_id=call.target, file=parse_new(await json_body(call), "", ignored)
    )
    core = call.bridge.core
    repeatable = not core.connected()
    rpc = core.vector_stores.CreateVectorStoreFile(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return _file(await call.ask(rpc, repeatable=repeatable), ignored)


async def list_files(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}/files."""
    return await _listed(call, "")


async def retrieve(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}/files/{file_id}."""
    rpc = call.bridge.core.vector_stores.GetVectorStoreFile(
        pb.GetVectorStoreFileRequest(vector_store_id=call.target, file_id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return _file(await call.ask(rpc), [])


async def update(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}/files/{file_id}: what is noted of it is replaced."""
    ignored: list[str] = []
    body = await json_body(call)
    if "attributes" not in body:
        raise shape.wrong("attributes", "is required: an object, or null", code="missing_required_field")
    shape.note_unread(body, ("attributes",), "", ignored)
    rpc = call.bridge.core.vector_stores.UpdateVectorStoreFile(
        pb.UpdateVectorStoreFileRequest(
            vector_store_id=call.target, file_id=call.part, attributes=parse_attributes(body)
        ),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return _file(await call.ask(rpc), ignored)


async def delete(call: Call) -> Answer:
    """DELETE /v1/vector_stores/{id}/files/{file_id}: the file itself stays."""
    rpc = call.bridge.core.vector_stores.DeleteVectorStoreFile(
        pb.DeleteVectorStoreFileRequest(vector_store_id=call.target, file_id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    await call.ask(rpc)
    return answer({"id": call.part, "object": "vector_store.file.deleted", "deleted": True})


async def content(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}/files/{file_id}/content: the text that was found in it, passage by passage."""
    opened = call.bridge.core.vector_stores.ReadVectorStoreFile(
        pb.ReadVectorStoreFileRequest(vector_store_id=call.target, file_id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    texts: list[str] = []
    try:
        async for some in opened:
            texts.extend(some.texts)
    except grpc.aio.AioRpcError as error:
        raise refused(error) from None
    finally:
        opened.cancel()
    return answer(render_texts(texts))


async def create_batch(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}/file_batches."""
    ignored: list[str] = []
    request = parse_batch(call.target, await json_body(call), ignored)
    core = call.bridge.core
    repeatable = not core.connected()
    rpc = core.vector_stores.CreateVectorStoreFileBatch(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return _batch(await call.ask(rpc, repeatable=repeatable), ignored)


async def retrieve_batch(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}/file_batches/{batch_id}."""
    rpc = call.bridge.core.vector_stores.GetVectorStoreFileBatch(
        pb.GetVectorStoreFileBatchRequest(vector_store_id=call.target, id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return _batch(await call.ask(rpc), [])


async def cancel_batch(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}/file_batches/{batch_id}/cancel."""
    rpc = call.bridge.core.vector_stores.CancelVectorStoreFileBatch(
        pb.CancelVectorStoreFileBatchRequest(vector_store_id=call.target, id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return _batch(await call.ask(rpc), [])


async def list_batch(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}/file_batches/{batch_id}/files."""
    return await _listed(call, call.part)


async def _listed(call: Call, batch_id: str) -> Answer:
    query = Query(call.query)
    expect_forward(query)
    status = query.word("filter", _STATUSES)
    request = pb.ListVectorStoreFilesRequest(
        vector_store_id=call.target,
        batch_id=batch_id,
        status=VectorStoreFile.STATUS_UNSPECIFIED if status is None else _STATUSES[status],
        page_size=query.integer("limit", low=1, high=100) or 0,
        page_token=query.text("after") or "",
        oldest_first=query.word("order", ("asc", "desc")) == "asc",
    )
    rpc = call.bridge.core.vector_stores.ListVectorStoreFiles(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return answer(page_object([render_store_file(file) for file in found.files], has_more=bool(found.next_page_token)))


def _file(file: VectorStoreFile, ignored: list[str]) -> Answer:
    return noting(render_store_file(file), ignored, *_poll(file.status))


def _batch(batch: VectorStoreFileBatch, ignored: list[str]) -> Answer:
    return noting(render_batch(batch, render_counts(batch.file_counts)), ignored, *_poll(batch.status))


def _poll(status: Any) -> tuple[tuple[bytes, bytes], ...]:
    return POLL if status == VectorStoreFile.STATUS_IN_PROGRESS else ()
