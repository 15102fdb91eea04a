"""The OpenAPI document of the bridge, put together from the tables of this package. Made once."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

from rest_bridge.openapi import answer, event, failure, item, knowledge, knowledge_schemas, request, tool
from rest_bridge.openapi.method import EVENTS, HTML, Operation
from rest_bridge.openapi.operation import OPERATIONS
from rest_bridge.openapi.parameter import EVERYWHERE, OF_USER, PARAMETERS
from rest_bridge.openapi.schema import Schema, of, ref
from rest_bridge.wire import json

TITLE: Final = "Nodexa"
_SAYS: Final = (
    "A durable Responses API for any language model. The official OpenAI SDKs talk to it at `/v1`; "
    "a request's `model` is an assistant. Every field of a request is enforced, forwarded to the model, refused with a "
    "reason, or listed in `nodexa.ignored` of the response."
)
_ALWAYS: Final = (400, 408, 414, 431, 500, 503)
"""The statuses of errors that HTTP itself or a bug can bring to any operation."""
_KEYED: Final = (401, 403, 504)
_SECURITY: Final[tuple[dict[str, list[str]], ...]] = ({"bearer": []}, {"apiKey": []})


@functools.cache
def document() -> Mapping[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in {**OPERATIONS, **knowledge.OPERATIONS}.items():
        paths.setdefault(path, {})[method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": _version(),
            "description": _SAYS,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": list(_SECURITY),
        "paths": paths,
        "components": _components(),
    }


@functools.cache
def text() -> bytes:
    """The same as JSON."""
    return json.dump(document())


def _components() -> dict[str, Any]:
    return {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer nxk_…`"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "`x-api-key: nxk_…`"},
        },
        "parameters": dict(PARAMETERS),
        "headers": dict(failure.HEADERS),
        "responses": failure.responses(),
        "schemas": {
            **request.schemas(),
            **answer.SCHEMAS,
            **item.SCHEMAS,
            **knowledge_schemas.SCHEMAS,
            **tool.SCHEMAS,
            **failure.SCHEMAS,
            **event.schemas(),
            "Document": of("object", "An OpenAPI document."),
            "Page": of("string"),
        },
    }


def _operation(operation: Operation) -> Schema:
    common = OF_USER if operation.of_user else EVERYWHERE if operation.needs_key else ("x-request-id",)
    names = (*operation.parameters, *common)
    statuses = {*_ALWAYS, *operation.refusals, *(_KEYED if operation.needs_key else ())}
    described: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
        "responses": {str(operation.status): _answer(operation)}
        | {str(status): {"$ref": f"#/components/responses/{failure.component(status)}"} for status in sorted(statuses)},
    }
    if operation.says:
        described["description"] = operation.says
    if operation.body:
        described["requestBody"] = {"required": True, "content": {operation.media: {"schema": ref(operation.body)}}}
    if not operation.needs_key:
        described["security"] = []
    return described


def _answer(operation: Operation) -> Schema:
    if operation.status == 307:
        return {"description": "See there.", "headers": failure.header_refs("x-request-id", "location")}
    content: dict[str, Schema] = {media: {"schema": ref(name)} for media, name in operation.answer.items()}
    if EVENTS in content:
        # A frame is `event: <type>`, `data: <one line of JSON>` and a blank line; the schema is that of the data.
        content[EVENTS]["x-nodexa-events"] = [name for _, name, _ in event.described()]
        content[EVENTS]["x-nodexa-end"] = "data: [DONE]"
    says = "A page." if HTML in content else "Good."
    headers = failure.header_refs("x-request-id", *(failure.RATES if operation.limited else ()))
    return {"description": says, "headers": headers, "content": content}


def _version() -> str:
    try:
        return metadata.version("nodexa")
    except metadata.PackageNotFoundError:
        return "0"
