"""The endpoints of memory: what assistants noted about a user, for that user's rights. Only assistants write it."""

from __future__ import annotations

from typing import Any

from nodexa.v1 import user_service_pb2 as pb
from nodexa.v1.user_pb2 import Memory

from rest_bridge.routes.call import Answer, Call, answer
from rest_bridge.routes.query import Query, next_link
from rest_bridge.wire.time import milliseconds

_MOST = 100


async def list_memories(call: Call) -> Answer:
    """GET /v1/memory."""
    query = Query(call.query)
    size = query.integer("limit", low=1, high=_MOST) or _MOST
    request = pb.ListMemoriesRequest(page_size=size, page_token=query.text("after") or "")
    rpc = call.bridge.core.users.ListMemories(
        request, metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    found = await call.ask(rpc)
    shown = {"memories": [_shown(memory) for memory in found.memories]}
    return answer(shown, *next_link("/v1/memory", size, found.next_page_token))


async def delete(call: Call) -> Answer:
    """DELETE /v1/memory/{id}."""
    rpc = call.bridge.core.users.DeleteMemory(
        pb.DeleteMemoryRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    await call.ask(rpc)
    return answer({"id": call.target, "deleted": True})


async def delete_all(call: Call) -> Answer:
    """DELETE /v1/memory."""
    rpc = call.bridge.core.users.DeleteMemories(
        pb.DeleteMemoriesRequest(), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer({"count": (await call.ask(rpc)).count})


def _shown(memory: Memory) -> dict[str, Any]:
    return {
        "id": memory.id,
        "text": memory.text,
        "assistantId": memory.assistant_id,
        "responseId": memory.response_id,
        "createdAt": milliseconds(memory.create_time),
    }
