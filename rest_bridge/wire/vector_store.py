"""Vector stores and searches in them, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from nodexa.v1 import vector_store_service_pb2 as pb
from nodexa.v1.vector_store_pb2 import FileCounts, SearchResult, VectorStore

from rest_bridge.wire import field, shape
from rest_bridge.wire.store_file import parse_chunking, render_attributes

STATUS_WORDS: Final = MappingProxyType(
    {
        VectorStore.STATUS_IN_PROGRESS: "in_progress",
        VectorStore.STATUS_COMPLETED: "completed",
        VectorStore.STATUS_EXPIRED: "expired",
    }
)
RANKERS: Final = ("auto", "none", "default-2024-11-15")
_SEARCHED: Final = ("query", "filters", "max_num_results", "ranking_options")


def parse_store(body: Mapping[str, Any], ignored: list[str]) -> pb.CreateVectorStoreRequest:
    """A new vector store; everything may be left out. Adds to `ignored` the paths of what is without effect.

    Raises errors.RequestError that names the field at fault, as all of these do.
    """
    read = ("name", "description", "metadata", "expires_after", "file_ids", "chunking_strategy")
    shape.note_unread(body, read, "", ignored)
    return pb.CreateVectorStoreRequest(
        name=field.text("name", body.get("name") or ""),
        description=field.text("description", body.get("description") or ""),
        metadata=_metadata(body),
        expires_after_days=_days(body, ignored),
        file_ids=field.texts("file_ids", body.get("file_ids") or []),
        chunking=parse_chunking(body, "", ignored),
    )


def parse_update(store_id: str, body: Mapping[str, Any], ignored: list[str]) -> pb.UpdateVectorStoreRequest:
    """What to change; what is left out stays. A null takes notes and expiry away."""
    shape.note_unread(body, ("name", "metadata", "expires_after"), "", ignored)
    request = pb.UpdateVectorStoreRequest(id=store_id)
    if body.get("name") is not None:
        request.name = field.text("name", body["name"])
    if "metadata" in body:
        request.metadata.SetInParent()
        request.metadata.entries.update(_metadata(body))
    if "expires_after" in body:
        request.expires_after_days = _days(body, ignored)
    return request


def parse_search(store_id: str, body: Mapping[str, Any], ignored: list[str]) -> pb.SearchVectorStoreRequest:
    """What to find."""
    query, filters = body.get("query"), body.get("filters")
    if query is None:
        raise shape.wrong("query", "is required: a text, or a list of texts", code="missing_required_field")
    # Questions are looked up as they are, which is what false asks for.
    read = (*_SEARCHED, "rewrite_query") if body.get("rewrite_query") is False else _SEARCHED
    shape.note_unread(body, read, "", ignored)
    ranking = field.members("ranking_options", body.get("ranking_options") or {})
    hybrid = _hybrid(ranking, ignored)
    limit, threshold = body.get("max_num_results"), ranking.get("score_threshold")
    if limit is not None and field.int32("max_num_results", limit) < 1:
        raise shape.wrong("max_num_results", "must be between 1 and 50", code="invalid_request")
    return pb.SearchVectorStoreRequest(
        id=store_id,
        queries=[query] if isinstance(query, str) else field.texts("query", query),
        filters_json="" if filters is None else orjson.dumps(filters).decode(),
        max_results=limit or 0,
        score_threshold=0 if threshold is None else field.number("ranking_options.score_threshold", threshold),
        hybrid=hybrid,
    )


def render_store(store: VectorStore) -> dict[str, Any]:
    """The object of the wire."""
    days = store.expires_after_days
    return {
        "id": store.id,
        "object": "vector_store",
        "created_at": store.create_time.seconds,
        "name": store.name,
        "description": store.description or None,
        "usage_bytes": store.usage_bytes,
        "file_counts": render_counts(store.file_counts),
        "status": STATUS_WORDS[store.status],
        "expires_after": {"anchor": "last_active_at", "days": days} if days else None,
        "expires_at": store.expire_time.seconds if days else None,
        "last_active_at": store.last_active_time.seconds,
        "metadata": dict(store.metadata),
    }


def render_counts(counts: FileCounts) -> dict[str, int]:
    """How many files stand how, and all of them."""
    shown = {name: getattr(counts, name) for name in ("in_progress", "completed", "failed", "cancelled")}
    return {**shown, "total": sum(shown.values())}


def render_results(queries: Iterable[str], results: Iterable[SearchResult]) -> dict[str, Any]:
    """The page of what was found."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                "file_id": result.file_id,
                "filename": result.filename,
                "score": result.score,
                "attributes": render_attributes(result.attributes),
                "content": [{"type": "text", "text": result.text}],
            }
            for result in results
        ],
        "has_more": False,
        "next_page": None,
    }


def _hybrid(ranking: Mapping[str, Any], ignored: list[str]) -> pb.HybridSearch | None:
    """How much each ranking counts; None where nobody says."""
    ranker, hybrid = ranking.get("ranker"), ranking.get("hybrid_search")
    if ranker not in (None, *RANKERS):
        raise shape.wrong("ranking_options.ranker", f"must be one of {', '.join(RANKERS)}", code="invalid_request")
    # There is one ranker here, and nothing ranks anew what it found: which is all that these two ask for.
    read = ("ranker",) if ranker in (None, "auto", "none") else ()
    shape.note_unread(ranking, ("score_threshold", "hybrid_search", *read), "ranking_options", ignored)
    if hybrid is None:
        return None
    path = "ranking_options.hybrid_search"
    weights = field.members(path, hybrid)
    shape.note_unread(weights, ("embedding_weight", "text_weight"), path, ignored)
    return pb.HybridSearch(
        embedding_weight=field.number(f"{path}.embedding_weight", weights.get("embedding_weight")),
        text_weight=field.number(f"{path}.text_weight", weights.get("text_weight")),
    )


def _metadata(body: Mapping[str, Any]) -> dict[str, str]:
    value = body.get("metadata")
    return {} if value is None else field.notes("metadata", value)


def _days(body: Mapping[str, Any], ignored: list[str]) -> int:
    if body.get("expires_after") is None:
        return 0
    given = field.members("expires_after", body["expires_after"])
    shape.note_unread(given, ("anchor", "days"), "expires_after", ignored)
    if given.get("anchor") != "last_active_at":
        raise shape.wrong("expires_after.anchor", "must be last_active_at", code="invalid_request")
    days = field.int32("expires_after.days", given.get("days"))
    if not 1 <= days <= 365:
        raise shape.wrong("expires_after.days", "must be between 1 and 365", code="invalid_request")
    return days
