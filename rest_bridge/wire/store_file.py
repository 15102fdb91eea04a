"""Files in vector stores, both ways: alone, in batches, and what is noted of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import (
    AttributeValue,
    ChunkingStrategy,
    VectorStoreFile,
    VectorStoreFileBatch,
)

from rest_bridge.wire import field, shape

STATUS_WORDS: Final = MappingProxyType(
    {
        VectorStoreFile.STATUS_IN_PROGRESS: "in_progress",
        VectorStoreFile.STATUS_COMPLETED: "completed",
        VectorStoreFile.STATUS_FAILED: "failed",
        VectorStoreFile.STATUS_CANCELLED: "cancelled",
    }
)
_FILE: Final = ("file_id", "attributes", "chunking_strategy")


def parse_new(body: Mapping[str, Any], path: str, ignored: list[str]) -> pb.NewVectorStoreFile:
    """A file to add. `path` ends with a dot, or is empty. Raises errors.RequestError, as all of these do."""
    if body.get("file_id") is None:
        raise shape.wrong(f"{path}file_id", "is required: a file's id", code="missing_required_field")
    shape.note_unread(body, _FILE, path.rstrip("."), ignored)
    return pb.NewVectorStoreFile(
        file_id=field.text(f"{path}file_id", body["file_id"]),
        attributes=parse_attributes(body, path),
        chunking=parse_chunking(body, path, ignored),
    )


def parse_batch(store_id: str, body: Mapping[str, Any], ignored: list[str]) -> pb.CreateVectorStoreFileBatchRequest:
    """Files to add together: `file_ids` that share the rest, or `files` that each have their own."""
    names, files = body.get("file_ids"), body.get("files")
    if (names is None) == (files is None):
        raise shape.wrong("file_ids", "or files is required, and not both", code="missing_required_field")
    if files is not None:
        shape.note_unread(body, ("files",), "", ignored)
        if not isinstance(files, list):
            raise shape.wrong("files", "must be a list of objects", code="invalid_request")
        listed = [(f"files[{index}].", field.members(f"files[{index}]", file)) for index, file in enumerate(files)]
    else:
        shape.note_unread(body, ("file_ids", *_FILE[1:]), "", ignored)
        shared = {name: body[name] for name in _FILE[1:] if name in body}
        listed = [("", {"file_id": name, **shared}) for name in field.texts("file_ids", names)]
    return pb.CreateVectorStoreFileBatchRequest(
        vector_store_id=store_id, files=[parse_new(file, path, ignored) for path, file in listed]
    )


def parse_attributes(body: Mapping[str, Any], path: str = "") -> dict[str, AttributeValue]:
    """What is noted of a file; null is nothing."""
    given = field.members(f"{path}attributes", body.get("attributes") or {})
    return {key: _attribute(value, f"{path}attributes.{key[:64]}") for key, value in given.items()}


def parse_chunking(body: Mapping[str, Any], path: str, ignored: list[str]) -> ChunkingStrategy | None:
    """How text is cut; None for `auto`."""
    name = f"{path}chunking_strategy"
    if body.get("chunking_strategy") is None:
        return None
    strategy = shape.tagged(body["chunking_strategy"], name)
    if strategy["type"] == "auto":
        shape.note_unread(strategy, ("type",), name, ignored)
        return None
    if strategy["type"] != "static":
        raise shape.wrong(f"{name}.type", "must be auto or static", code="invalid_request")
    shape.note_unread(strategy, ("type", "static"), name, ignored)
    sizes = field.members(f"{name}.static", strategy.get("static"))
    shape.note_unread(sizes, ("max_chunk_size_tokens", "chunk_overlap_tokens"), f"{name}.static", ignored)
    most = field.int32(f"{name}.static.max_chunk_size_tokens", sizes.get("max_chunk_size_tokens"))
    overlap = field.int32(f"{name}.static.chunk_overlap_tokens", sizes.get("chunk_overlap_tokens"))
    if not 100 <= most <= 4096:
        raise shape.wrong(
            f"{name}.static.max_chunk_size_tokens", "must be between 100 and 4096", code="invalid_request"
        )
    if not 0 <= overlap <= most // 2:
        complaint = "must be between 0 and half of max_chunk_size_tokens"
        raise shape.wrong(f"{name}.static.chunk_overlap_tokens", complaint, code="invalid_request")
    return ChunkingStrategy(max_chunk_tokens=most, overlap_tokens=overlap)


def render_store_file(file: VectorStoreFile) -> dict[str, Any]:
    """The object of the wire."""
    chunking = file.chunking
    return {
        "id": file.file_id,
        "object": "vector_store.file",
        "created_at": file.create_time.seconds,
        "usage_bytes": file.usage_bytes,
        "vector_store_id": file.vector_store_id,
        "status": STATUS_WORDS[file.status],
        "last_error": {"code": file.error.code, "message": file.error.message} if file.HasField("error") else None,
        "chunking_strategy": {
            "type": "static",
            "static": {
                "max_chunk_size_tokens": chunking.max_chunk_tokens,
                "chunk_overlap_tokens": chunking.overlap_tokens,
            },
        },
        "attributes": render_attributes(file.attributes),
        "nodexa": {"passages": file.passages, "embedded_passages": file.embedded_passages},
    }


def render_batch(batch: VectorStoreFileBatch, counts: dict[str, int]) -> dict[str, Any]:
    """The object of the wire, with how its files stand."""
    return {
        "id": batch.id,
        "object": "vector_store.files_batch",
        "created_at": batch.create_time.seconds,
        "vector_store_id": batch.vector_store_id,
        "status": STATUS_WORDS[batch.status],
        "file_counts": counts,
    }


def render_texts(texts: Iterable[str]) -> dict[str, Any]:
    """The page of a file's passages."""
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text} for text in texts],
        "has_more": False,
        "next_page": None,
    }


def render_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    """What is noted of a file."""
    return {key: getattr(value, value.WhichOneof("kind") or "text") for key, value in attributes.items()}


def _attribute(value: Any, path: str) -> AttributeValue:
    if isinstance(value, bool):
        return AttributeValue(flag=value)
    if isinstance(value, (int, float)):
        return AttributeValue(number=value)
    return AttributeValue(text=field.text(path, value))
