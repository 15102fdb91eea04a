"""The tool `file_search` on the vector stores of this installation."""

from __future__ import annotations

from collections.abc import Sequence

from service.knowledge.filters import read_filter
from service.knowledge.search import DEFAULT_RESULTS, Search, Weights, check_limits
from service.tools.file_search import FileSearch, Passage, Wanted


def file_search(search: Search) -> FileSearch:
    """The kind of tool."""

    async def find(wanted: Wanted, org_id: str) -> Sequence[Passage]:
        await search.expect_known(wanted.store_ids, org_id, path="vector_store_ids[{}]")
        return await search.find(
            wanted.store_ids,
            org_id,
            queries=wanted.queries,
            filters=read_filter(wanted.filters, "filters"),
            limit=wanted.limit or DEFAULT_RESULTS,
            threshold=wanted.threshold,
            weights=_weights(wanted),
        )

    async def check(wanted: Wanted, path: str, org_id: str) -> None:
        check_limits(wanted.limit, wanted.threshold, path=f"{path}.")
        search.check_weights(_weights(wanted), path=f"{path}.")
        read_filter(wanted.filters, f"{path}.filters")
        await search.expect_known(wanted.store_ids, org_id, path=path + ".vector_store_ids[{}]")

    return FileSearch(find=find, check=check)


def _weights(wanted: Wanted) -> Weights | None:
    return Weights(*wanted.hybrid) if wanted.hybrid else None
