"""The endpoints of vector stores."""

from __future__ import annotations

from nodexa.v1 import vector_store_service_pb2 as pb

from rest_bridge.errors import RequestError
from rest_bridge.routes.call import Answer, Call, answer, json_body, noting, page_object
from rest_bridge.routes.query import Query
from rest_bridge.wire.vector_store import parse_search, parse_store, parse_update, render_results, render_store


async def create(call: Call) -> Answer:
    """POST /v1/vector_stores."""
    ignored: list[str] = []
    request = parse_store(await json_body(call), ignored)
    core = call.bridge.core
    repeatable = not core.connected()
    rpc = core.vector_stores.CreateVectorStore(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return noting(render_store(await call.ask(rpc, repeatable=repeatable)), ignored)


async def list_stores(call: Call) -> Answer:
    """GET /v1/vector_stores."""
    query = Query(call.query)
    expect_forward(query)
    request = pb.ListVectorStoresRequest(
        page_size=query.integer("limit", low=1, high=100) or 0,
        page_token=query.text("after") or "",
        oldest_first=query.word("order", ("asc", "desc")) == "asc",
    )
    rpc = call.bridge.core.vector_stores.ListVectorStores(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    shown = [render_store(store) for store in found.vector_stores]
    return answer(page_object(shown, has_more=bool(found.next_page_token)))


async def retrieve(call: Call) -> Answer:
    """GET /v1/vector_stores/{id}."""
    rpc = call.bridge.core.vector_stores.GetVectorStore(
        pb.GetVectorStoreRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(render_store(await call.ask(rpc)))


async def update(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}."""
    ignored: list[str] = []
    request = parse_update(call.target, await json_body(call), ignored)
    rpc = call.bridge.core.vector_stores.UpdateVectorStore(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return noting(render_store(await call.ask(rpc)), ignored)


async def delete(call: Call) -> Answer:
    """DELETE /v1/vector_stores/{id}: its files stay."""
    rpc = call.bridge.core.vector_stores.DeleteVectorStore(
        pb.DeleteVectorStoreRequest(id=call.target),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    await call.ask(rpc)
    return answer({"id": call.target, "object": "vector_store.deleted", "deleted": True})


async def search(call: Call) -> Answer:
    """POST /v1/vector_stores/{id}/search."""
    ignored: list[str] = []
    request = parse_search(call.target, await json_body(call), ignored)
    rpc = call.bridge.core.vector_stores.SearchVectorStore(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return noting(render_results(request.queries, found.results), ignored)


def expect_forward(query: Query) -> None:
    """Raises RequestError for a page that is asked for by what comes behind it."""
    if query.text("before") is not None:
        message = "before is not supported: page with after, in the other order."
        raise RequestError("unsupported_parameter", message, param="before")
