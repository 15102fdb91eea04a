"""Searches vector stores: several questions at once, the best passages first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.knowledge.filters import Filter, read_filter
from service.knowledge.store_files import no_store
from service.settings import Clock
from service.store.passages import Found, Passages
from service.store.vector_stores import VectorStoreRow, VectorStores

MOST_QUERIES: Final = 16
MOST_RESULTS: Final = 50
DEFAULT_RESULTS: Final = 10


class Search:
    """Finds passages in the vector stores of an organization."""

    def __init__(self, stores: VectorStores, passages: Passages, *, clock: Clock) -> None:
        self._stores = stores
        self._passages = passages
        self._clock = clock

    async def expect_known(self, store_ids: Sequence[str], org_id: str, *, path: str) -> Sequence[VectorStoreRow]:
        """The vector stores. Raises NodexaError `vector_store_not_found` or `vector_store_expired` for the first that
        can't be searched, its place written as `path` with `{}` for the number.
        """
        found = {row.id: row for row in await self._stores.among(org_id, store_ids)}
        for index, store_id in enumerate(store_ids):
            if store_id not in found:
                raise no_store(store_id, path.format(index))
            if found[store_id].expired(self._clock()):
                message = f"The vector store {store_id!r} has expired: make another one."
                raise NodexaError("vector_store_expired", message, param=path.format(index))
        return [found[store_id] for store_id in dict.fromkeys(store_ids)]

    async def find(
        self,
        store_ids: Sequence[str],
        org_id: str,
        *,
        queries: Sequence[str],
        filters: Filter | None,
        limit: int,
        threshold: float,
    ) -> Sequence[Found]:
        """The passages that fit one of the queries, of stores that are the organization's."""
        files = None
        if filters is not None:
            noted = await self._passages.noted(store_ids)
            files = [place for place, attributes in noted.items() if filters(attributes)]
        best: dict[int, Found] = {}
        for query in dict.fromkeys(queries):
            for found in await self._passages.search(org_id, store_ids, query, files=files, limit=limit):
                if found.passage not in best or best[found.passage].score < found.score:
                    best[found.passage] = found
        await self._stores.used(await self._stores.among(org_id, store_ids), now=self._clock())
        ranked = sorted(best.values(), key=lambda found: -found.score)
        return [found for found in ranked if found.score >= threshold][:limit]

    async def search(
        self,
        store_id: str,
        org_id: str,
        *,
        queries: Sequence[str],
        filters_json: str,
        limit: int,
        threshold: float,
    ) -> Sequence[Found]:
        """The same for one store that a caller names. Raises NodexaError for what can't be asked."""
        await self.expect_known([store_id], org_id, path="id")
        if not 1 <= len(queries) <= MOST_QUERIES or not any(query.strip() for query in queries):
            message = f"query is required: what is looked for, in 1 to {MOST_QUERIES} texts."
            raise NodexaError("missing_required_field", message, param="query")
        check_limits(limit, threshold, path="")
        return await self.find(
            [store_id],
            org_id,
            queries=queries,
            filters=read_filter(_parsed(filters_json), "filters"),
            limit=limit or DEFAULT_RESULTS,
            threshold=threshold,
        )


def check_limits(limit: int, threshold: float, *, path: str) -> None:
    """Raises NodexaError `invalid_request` for a number of results or a score that can't be."""
    if not 0 <= limit <= MOST_RESULTS:
        message = f"{path}max_num_results must be between 1 and {MOST_RESULTS}."
        raise NodexaError("invalid_request", message, param=f"{path}max_num_results")
    if not 0 <= threshold <= 1:
        message = f"{path}ranking_options.score_threshold must be between 0 and 1."
        raise NodexaError("invalid_request", message, param=f"{path}ranking_options.score_threshold")


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        raise NodexaError("invalid_request", "filters_json is not JSON.", param="filters") from None
