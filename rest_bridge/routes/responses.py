"""The endpoints of responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nodexa.v1 import response_service_pb2 as pb
from nodexa.v1.response_pb2 import Response

from rest_bridge.core import rates
from rest_bridge.errors import RequestError
from rest_bridge.follow import Position
from rest_bridge.headers import idempotency_key, user_tokens
from rest_bridge.routes.call import JSON, Answer, Call, answer, page
from rest_bridge.routes.query import Query
from rest_bridge.routes.streaming import play
from rest_bridge.wire import json
from rest_bridge.wire.dialect import dialect_of, hides_requires_action
from rest_bridge.wire.item import render_items
from rest_bridge.wire.request import parse_create
from rest_bridge.wire.response import dump_response, render_response, render_settings

_ORDERS = {"asc": pb.ListInputItemsRequest.ORDER_ASC, "desc": pb.ListInputItemsRequest.ORDER_DESC}


async def create(call: Call) -> Answer | None:
    """POST /v1/responses. The body's `stream` decides between one object and its events."""
    metadata = call.metadata()
    settings = call.bridge.settings
    if call.bridge.draining:
        raise RequestError("server_draining", "The server is being stopped; send the request again.")
    tokens, key = user_tokens(call.headers), idempotency_key(call.headers)
    reading = parse_create(json.parse_object(await call.json()), user_tokens=tokens, ignored=[])
    if key:
        reading.request.request_id = key
    core = call.bridge.core
    # Once a request went out, the loss of its answer does not mean that nothing was done; its key makes that harmless.
    repeatable = bool(key) or not core.connected()
    if reading.stream:
        opened = core.responses.StreamResponse(reading.request, metadata=metadata)
        await play(call, opened, Position(), repeatable=repeatable)
        return None
    rpc = core.responses.CreateResponse(reading.request, metadata=metadata, timeout=settings.create_seconds)
    response = await call.ask(rpc, repeatable=repeatable)
    told = await rpc.initial_metadata()
    return Answer(200, _told(call, response, told), (*JSON, *rates(told)))


async def retrieve(call: Call) -> Answer | None:
    """GET /v1/responses/{id}. With `stream=true`, its events from `starting_after` on."""
    metadata = call.metadata()
    query = Query(call.query)
    after = query.integer("starting_after", low=0)
    if query.boolean("stream"):
        watched = pb.WatchResponseRequest(id=call.target, starting_after=after)
        opened = call.bridge.core.responses.WatchResponse(watched, metadata=metadata)
        await play(call, opened, Position(call.target, after))
        return None
    if after is not None:
        raise RequestError(
            "invalid_request", "The query parameter starting_after needs stream=true.", param="starting_after"
        )
    rpc = call.bridge.core.responses.GetResponse(
        pb.GetResponseRequest(id=call.target), metadata=metadata, timeout=call.bridge.settings.unary_seconds
    )
    return answer(_shown(call, await call.ask(rpc)))


async def list_responses(call: Call) -> Answer:
    """GET /v1/responses: the stored responses, the newest first. OpenAI has no such endpoint."""
    metadata = call.metadata()
    query = Query(call.query)
    request = pb.ListResponsesRequest(
        page_size=query.integer("limit", low=1, high=100) or 0,
        page_token=query.text("after") or "",
        assistant_id=query.text("model") or "",
    )
    rpc = call.bridge.core.responses.ListResponses(
        request, metadata=metadata, timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return page([_shown(call, response) for response in found.responses], has_more=bool(found.next_page_token))


async def delete(call: Call) -> Answer:
    """DELETE /v1/responses/{id}."""
    rpc = call.bridge.core.responses.DeleteResponse(
        pb.DeleteResponseRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    await call.ask(rpc)
    return answer({"id": call.target, "object": "response", "deleted": True})


async def cancel(call: Call) -> Answer:
    """POST /v1/responses/{id}/cancel. It has no body."""
    rpc = call.bridge.core.responses.CancelResponse(
        pb.CancelResponseRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(_shown(call, await call.ask(rpc)))


async def input_items(call: Call) -> Answer:
    """GET /v1/responses/{id}/input_items."""
    metadata = call.metadata()
    query = Query(call.query)
    request = pb.ListInputItemsRequest(
        response_id=call.target,
        page_size=query.integer("limit", low=1, high=100) or 0,
        page_token=query.text("after") or "",
        order=_ORDERS[query.word("order", _ORDERS) or "desc"],
    )
    rpc = call.bridge.core.responses.ListInputItems(
        request, metadata=metadata, timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return page(render_items(found.items), has_more=bool(found.next_page_token))


def _told(call: Call, response: Response, told: Iterable[tuple[str, str | bytes]]) -> bytes:
    """`_shown` as JSON."""
    return dump_response(
        response,
        hides_requires_action=hides_requires_action(call.headers, response.settings),
        dialect=dialect_of(call.headers, told),
    )


def _shown(call: Call, response: Response, told: Iterable[tuple[str, str | bytes]] = ()) -> dict[str, Any]:
    """The response for this client, of whose key the core has `told`."""
    return render_response(
        response,
        render_settings(response.settings),
        hides_requires_action=hides_requires_action(call.headers, response.settings),
        dialect=dialect_of(call.headers, told),
    )
