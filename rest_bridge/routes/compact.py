"""The endpoint that makes a conversation short."""

from __future__ import annotations

from rest_bridge.core import rates
from rest_bridge.errors import RequestError
from rest_bridge.routes.call import Answer, Call, answer
from rest_bridge.wire import json
from rest_bridge.wire.compaction import parse_compact, render_compacted


async def compact(call: Call) -> Answer:
    """POST /v1/responses/compact. Its output is what to send as input in place of the conversation."""
    metadata = call.metadata()
    settings = call.bridge.settings
    if call.bridge.draining:
        raise RequestError("server_draining", "The server is being stopped; send the request again.")
    body = await call.json()
    request = parse_compact(json.parse_object(body))
    core = call.bridge.core
    # Once the request went out, a model may have been paid for.
    repeatable = not core.connected()
    rpc = core.responses.CompactResponse(request, metadata=metadata, timeout=settings.create_seconds)
    compacted = await call.ask(rpc, repeatable=repeatable)
    return answer(render_compacted(compacted), *rates(await rpc.initial_metadata()))
