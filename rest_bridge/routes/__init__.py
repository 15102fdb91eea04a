"""Every path and method of the HTTP side, in one table, as routes of Starlette."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from rest_bridge.errors import RequestError
from rest_bridge.routes import (
    chats,
    claims,
    compact,
    conversations,
    document,
    files,
    health,
    input_tokens,
    memory,
    models,
    responses,
    socket,
    store_files,
    vector_stores,
)
from rest_bridge.routes.call import SCOPE_KEY, Answer, Call, Endpoint, send_answer

_CLAIMS: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    "/user-claims": {"GET": claims.list_claims, "DELETE": claims.delete_all},
    "/user-claims/bulk": {"POST": claims.put, "DELETE": claims.delete_bulk},
    "/user-claims/{claim_key}": {"DELETE": claims.delete},
}

ROUTES: Final[Mapping[str, Mapping[str, Endpoint]]] = MappingProxyType(
    {
        "/v1/responses": {"POST": responses.create, "GET": responses.list_responses},
        # Before the ids: none is called so.
        "/v1/responses/input_tokens": {"POST": input_tokens.count},
        "/v1/responses/compact": {"POST": compact.compact},
        "/v1/responses/{id}": {"GET": responses.retrieve, "DELETE": responses.delete},
        "/v1/responses/{id}/cancel": {"POST": responses.cancel},
        "/v1/responses/{id}/input_items": {"GET": responses.input_items},
        "/v1/conversations": {"POST": conversations.create},
        "/v1/conversations/{id}": {
            "GET": conversations.retrieve,
            "POST": conversations.update,
            "DELETE": conversations.delete,
        },
        "/v1/conversations/{id}/items": {"POST": conversations.create_items, "GET": conversations.list_items},
        "/v1/conversations/{id}/items/{item_id}": {
            "GET": conversations.retrieve_item,
            "DELETE": conversations.delete_item,
        },
        **{f"/v1{path}": endpoints for path, endpoints in _CLAIMS.items()},
        **_CLAIMS,
        "/v1/memory": {"GET": memory.list_memories, "DELETE": memory.delete_all},
        "/v1/memory/{id}": {"DELETE": memory.delete},
        "/v1/chat/history/conversations": {"GET": chats.list_conversations},
        "/v1/chat/history/conversations/{id}/messages": {"GET": chats.list_messages},
        "/v1/files": {"POST": files.create, "GET": files.list_files},
        "/v1/files/{id}": {"GET": files.retrieve, "DELETE": files.delete},
        "/v1/files/{id}/content": {"GET": files.content},
        "/v1/vector_stores": {"POST": vector_stores.create, "GET": vector_stores.list_stores},
        "/v1/vector_stores/{id}": {
            "GET": vector_stores.retrieve,
            "POST": vector_stores.update,
            "DELETE": vector_stores.delete,
        },
        "/v1/vector_stores/{id}/search": {"POST": vector_stores.search},
        "/v1/vector_stores/{id}/files": {"POST": store_files.create, "GET": store_files.list_files},
        "/v1/vector_stores/{id}/files/{file_id}": {
            "GET": store_files.retrieve,
            "POST": store_files.update,
            "DELETE": store_files.delete,
        },
        "/v1/vector_stores/{id}/files/{file_id}/content": {"GET": store_files.content},
        "/v1/vector_stores/{id}/file_batches": {"POST": store_files.create_batch},
        "/v1/vector_stores/{id}/file_batches/{batch_id}": {"GET": store_files.retrieve_batch},
        "/v1/vector_stores/{id}/file_batches/{batch_id}/cancel": {"POST": store_files.cancel_batch},
        "/v1/vector_stores/{id}/file_batches/{batch_id}/files": {"GET": store_files.list_batch},
        "/v1/models": {"GET": models.list_models},
        "/v1/models/{id}": {"GET": models.retrieve_model},
        "/healthz": {"GET": health.alive},
        "/readyz": {"GET": health.ready},
        "/openapi.json": {"GET": document.describe},
        "/docs": {"GET": document.show},
        "/": {"GET": document.lead},
    }
)

SOCKETS: Final[Mapping[str, Endpoint]] = MappingProxyType({"/v1/responses": socket.connect})


def starlette_routes() -> list[BaseRoute]:
    """The tables as routes; each is an ASGI application of its own, so that a stream can be sent as it comes."""
    return [
        # A key may hold slashes.
        *(Route(path.replace("_key}", "_key:path}"), _Methods(endpoints)) for path, endpoints in ROUTES.items()),
        *(WebSocketRoute(path, _Upgrade(endpoint)) for path, endpoint in SOCKETS.items()),
        WebSocketRoute("/{path:path}", _Upgrade(_no_socket)),
    ]


class _Methods:
    """The endpoints of one path, by method."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints
        words = [*endpoints, *(["HEAD"] if "GET" in endpoints else []), "OPTIONS"]
        self._allow = (b"allow", ", ".join(words).encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (answer := await self.answer(scope)) is not None:
            await send_answer(answer, send)

    async def answer(self, scope: Scope) -> Answer | None:
        """The answer, or None when it was sent. Raises RequestError."""
        method = scope["method"]
        if method == "OPTIONS":
            return Answer(204, headers=(self._allow,))
        # A HEAD is a GET whose body the server leaves out.
        endpoint = self._endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise RequestError(
                "method_not_allowed",
                f"{scope['path']} has no method {method[:32]}; it has {', '.join(self._endpoints)}.",
                headers=(self._allow,),
            )
        call: Call = scope[SCOPE_KEY]
        if named := scope.get("path_params"):
            call.target = named.get("id") or named.get("claim_key", "")
            call.part = next((value for name, value in named.items() if name not in ("id", "claim_key")), "")
        return await endpoint(call)


class _Upgrade:
    """The endpoint of one path for WebSockets."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope[SCOPE_KEY])


PLAIN: Final[Mapping[str, _Methods]] = MappingProxyType(
    {path: _Methods(endpoints) for path, endpoints in ROUTES.items() if "{" not in path}
)
"""The paths that have no names in them."""


async def _no_socket(call: Call) -> Answer | None:
    raise RequestError("not_found", "There is no WebSocket at this address. Responses are at /v1/responses.")
