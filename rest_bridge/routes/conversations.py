"""The endpoints of conversations."""

from __future__ import annotations

from typing import Final

from nodexa.v1 import conversation_service_pb2 as pb

from rest_bridge.routes.call import Answer, Call, answer, json_body, noting, page_object
from rest_bridge.routes.query import Query
from rest_bridge.wire.conversation import parse_addition, parse_conversation, parse_update, render_conversation
from rest_bridge.wire.item import render_item, render_items

_ORDERS: Final = {"asc": pb.ListConversationItemsRequest.ORDER_ASC, "desc": pb.ListConversationItemsRequest.ORDER_DESC}


async def create(call: Call) -> Answer:
    """POST /v1/conversations."""
    ignored: list[str] = []
    request = parse_conversation(await json_body(call), ignored)
    core = call.bridge.core
    # Once a request went out, the loss of its answer does not mean that nothing was done.
    repeatable = not core.connected()
    rpc = core.conversations.CreateConversation(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return noting(render_conversation(await call.ask(rpc, repeatable=repeatable)), ignored)


async def retrieve(call: Call) -> Answer:
    """GET /v1/conversations/{id}."""
    rpc = call.bridge.core.conversations.GetConversation(
        pb.GetConversationRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(render_conversation(await call.ask(rpc)))


async def update(call: Call) -> Answer:
    """POST /v1/conversations/{id}: its metadata is replaced."""
    ignored: list[str] = []
    request = parse_update(call.target, await json_body(call), ignored)
    rpc = call.bridge.core.conversations.UpdateConversation(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return noting(render_conversation(await call.ask(rpc)), ignored)


async def delete(call: Call) -> Answer:
    """DELETE /v1/conversations/{id}."""
    rpc = call.bridge.core.conversations.DeleteConversation(
        pb.DeleteConversationRequest(id=call.target),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    await call.ask(rpc)
    return answer({"id": call.target, "object": "conversation.deleted", "deleted": True})


async def create_items(call: Call) -> Answer:
    """POST /v1/conversations/{id}/items."""
    ignored: list[str] = []
    request = parse_addition(call.target, await json_body(call), ignored)
    core = call.bridge.core
    repeatable = not core.connected()
    rpc = core.conversations.CreateConversationItems(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    added = await call.ask(rpc, repeatable=repeatable)
    return noting(page_object(render_items(added.items), has_more=False), ignored)


async def list_items(call: Call) -> Answer:
    """GET /v1/conversations/{id}/items. Items are always whole, so `include` adds nothing."""
    query = Query(call.query)
    request = pb.ListConversationItemsRequest(
        conversation_id=call.target,
        page_size=query.integer("limit", low=1, high=100) or 0,
        page_token=query.text("after") or "",
        order=_ORDERS[query.word("order", _ORDERS) or "desc"],
    )
    rpc = call.bridge.core.conversations.ListConversationItems(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    return answer(page_object(render_items(found.items), has_more=bool(found.next_page_token)))


async def retrieve_item(call: Call) -> Answer:
    """GET /v1/conversations/{id}/items/{item_id}."""
    rpc = call.bridge.core.conversations.GetConversationItem(
        pb.GetConversationItemRequest(conversation_id=call.target, id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return answer(render_item(await call.ask(rpc)))


async def delete_item(call: Call) -> Answer:
    """DELETE /v1/conversations/{id}/items/{item_id}: the answer is the conversation."""
    rpc = call.bridge.core.conversations.DeleteConversationItem(
        pb.DeleteConversationItemRequest(conversation_id=call.target, id=call.part),
        metadata=call.metadata(),
        timeout=call.bridge.settings.unary_seconds,
    )
    return answer(render_conversation(await call.ask(rpc)))
