"""The endpoints of models: what an SDK takes for a model is an assistant."""

from __future__ import annotations

from typing import Any

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import GetAssistantRequest, ListAssistantsRequest

from rest_bridge.routes.call import Answer, Call, answer

_PAGE = 100


async def list_models(call: Call) -> Answer:
    """GET /v1/models: the caller's assistants, all of them, the oldest first."""
    metadata = call.metadata()
    assistants: list[Assistant] = []
    request = ListAssistantsRequest(page_size=_PAGE)
    while True:
        rpc = call.bridge.core.admin.ListAssistants(
            request, metadata=metadata, timeout=call.bridge.settings.unary_seconds
        )
        found = await call.ask(rpc)
        assistants.extend(found.assistants)
        if not found.next_page_token:
            return answer({"object": "list", "data": [_shown(assistant) for assistant in assistants]})
        request.page_token = found.next_page_token


async def retrieve_model(call: Call) -> Answer:
    """GET /v1/models/{id}."""
    rpc = call.bridge.core.admin.GetAssistant(
        GetAssistantRequest(id=call.target), metadata=call.metadata(), timeout=call.bridge.settings.unary_seconds
    )
    return answer(_shown(await call.ask(rpc)))


def _shown(assistant: Assistant) -> dict[str, Any]:
    return {
        "id": assistant.id,
        "object": "model",
        "created": assistant.create_time.seconds,
        "owned_by": "nodexa",
        "name": assistant.name,
    }
