"""Searches vector stores, by words and by meaning: several questions at once, the best passages first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from service.errors import NodexaError
from service.knowledge.filters import Filter, read_filter
from service.knowledge.fusion import fused
from service.knowledge.meaning import Meanings
from service.knowledge.store_files import no_store
from service.settings import Clock
from service.store.passages import Found, Passages
from service.store.vector_stores import VectorStoreRow, VectorStores
from service.store.vectors import Vectors

MOST_QUERIES: Final = 16
MOST_RESULTS: Final = 50
DEFAULT_RESULTS: Final = 10
DEPTH: Final = MOST_RESULTS
"""How far down rankings are looked at that are to be combined."""
AT_ONCE: Final = 2
"""Searches that look through vectors at a time: other reads want threads too."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much the two rankings count against each other."""

    meaning: float
    words: float


EVEN: Final = Weights(1, 1)


class Search:
    """Finds passages in the vector stores of an organization."""

    def __init__(
        self, stores: VectorStores, passages: Passages, vectors: Vectors, meanings: Meanings | None, *, clock: Clock
    ) -> None:
        self._stores = stores
        self._passages = passages
        self._vectors = vectors
        self._meanings = meanings
        self._clock = clock
        self._room = asyncio.Semaphore(AT_ONCE)

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
        weights: Weights | None = None,
    ) -> Sequence[Found]:
        """The passages that fit one of the queries, of stores that are the organization's."""
        files = None
        if filters is not None:
            noted = await self._passages.noted(store_ids)
            files = [place for place, attributes in noted.items() if filters(attributes)]
        scores: dict[int, float] = {}
        for scored in await self._scored(_Scope(org_id, store_ids, files), list(dict.fromkeys(queries)), weights):
            for passage, score in scored.items():
                scores[passage] = max(score, scores.get(passage, 0.0))
        await self._stores.used(await self._stores.among(org_id, store_ids), now=self._clock())
        ranked = sorted(scores, key=lambda passage: -scores[passage])
        best = [passage for passage in ranked if scores[passage] >= threshold][:limit]
        return await self._passages.shown(org_id, {passage: scores[passage] for passage in best})

    def check_weights(self, weights: Weights | None, *, path: str) -> None:
        """Raises NodexaError for weights that can't be."""
        if weights is None:
            return
        param = f"{path}ranking_options.hybrid_search"
        if self._meanings is None:
            message = f"{param} needs embeddings, which this installation has none of: leave it out."
            raise NodexaError("invalid_request", message, param=param)
        given = (weights.meaning, weights.words)
        if not all(math.isfinite(weight) and weight >= 0 for weight in given) or not any(given):
            message = f"{param} takes two weights, not negative and not both 0."
            raise NodexaError("invalid_request", message, param=param)

    async def search(
        self,
        store_id: str,
        org_id: str,
        *,
        queries: Sequence[str],
        filters_json: str,
        limit: int,
        threshold: float,
        weights: Weights | None = None,
    ) -> Sequence[Found]:
        """The same for one store that a caller names. Raises NodexaError for what can't be asked."""
        await self.expect_known([store_id], org_id, path="id")
        if not 1 <= len(queries) <= MOST_QUERIES or not any(query.strip() for query in queries):
            message = f"query is required: what is looked for, in 1 to {MOST_QUERIES} texts."
            raise NodexaError("missing_required_field", message, param="query")
        check_limits(limit, threshold, path="")
        self.check_weights(weights, path="")
        return await self.find(
            [store_id],
            org_id,
            queries=queries,
            filters=read_filter(_parsed(filters_json), "filters"),
            limit=limit or DEFAULT_RESULTS,
            threshold=threshold,
            weights=weights,
        )

    async def _scored(
        self, scope: _Scope, queries: Sequence[str], weights: Weights | None
    ) -> Sequence[Mapping[int, float]]:
        """The scores of what fits each query: from the ranks where meaning counts, else the share of its words."""
        if self._meanings is None:
            return [dict(await self._by_words(scope, query)) for query in queries]
        wanted = weights or EVEN
        near = await self._by_meaning(scope, queries, self._meanings) if wanted.meaning else None
        if near is None:
            # With the weight that is left: what stands first by its words then has the score 1.
            wanted, near = Weights(0, 1), [[]] * len(queries)
        scores = []
        for query, ranking in zip(queries, near, strict=True):
            found = [passage for passage, _ in await self._by_words(scope, query)] if wanted.words else []
            scores.append(fused([(wanted.meaning, ranking), (wanted.words, found)]))
        return scores

    async def _by_words(self, scope: _Scope, query: str) -> Sequence[tuple[int, float]]:
        return await self._passages.ranked(scope.org_id, scope.store_ids, query, files=scope.files, limit=DEPTH)

    async def _by_meaning(
        self, scope: _Scope, queries: Sequence[str], meanings: Meanings
    ) -> Sequence[Sequence[int]] | None:
        """A ranking for each query; None where the queries can't be embedded now."""
        asked = await meanings.asked(queries)
        if asked is None:
            return None
        async with self._room:
            return await self._vectors.fold(
                scope.store_ids,
                meanings.name,
                size=len(asked[0]),
                files=scope.files,
                rank=meanings.ranking(asked, limit=DEPTH),
            )


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where is looked: `files` are the numbers of rows, None for all files of the stores."""

    org_id: str
    store_ids: Sequence[str]
    files: Iterable[int] | None


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
