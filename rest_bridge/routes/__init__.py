"""Every path and method of the HTTP side, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.errors import RequestError
from rest_bridge.routes import health, models, responses
from rest_bridge.routes.call import Endpoint

ROUTES: Final[Mapping[str, Mapping[str, Endpoint]]] = MappingProxyType(
    {
        "/v1/responses": {"POST": responses.create, "GET": responses.list_responses},
        "/v1/responses/{id}": {"GET": responses.retrieve, "DELETE": responses.delete},
        "/v1/responses/{id}/cancel": {"POST": responses.cancel},
        "/v1/responses/{id}/input_items": {"GET": responses.input_items},
        "/v1/models": {"GET": models.list_models},
        "/v1/models/{id}": {"GET": models.retrieve_model},
        "/healthz": {"GET": health.alive},
        "/readyz": {"GET": health.ready},
    }
)
_PATTERNS: Final = tuple(
    (re.compile(path.replace("{id}", "([^/]+)")), methods) for path, methods in ROUTES.items() if "{id}" in path
)


def find(method: str, path: str) -> tuple[Endpoint | None, str]:
    """The endpoint, and the id in the path. None for OPTIONS, which no endpoint need answer.

    Raises RequestError: not_found, method_not_allowed.
    """
    methods, target = _methods(path)
    if method == "OPTIONS":
        return None, target
    # A HEAD is a GET whose body the server leaves out.
    endpoint = methods.get("GET" if method == "HEAD" else method)
    if endpoint is None:
        raise RequestError(
            "method_not_allowed",
            f"{path} has no method {method[:32]}; it has {', '.join(methods)}.",
            headers=((b"allow", allowed(path)),),
        )
    return endpoint, target


def allowed(path: str) -> bytes:
    """The methods of a path, as the header Allow says them."""
    methods, _ = _methods(path)
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]).encode()


def _methods(path: str) -> tuple[Mapping[str, Endpoint], str]:
    if path in ROUTES:
        return ROUTES[path], ""
    for pattern, methods in _PATTERNS:
        if match := pattern.fullmatch(path):
            return methods, match[1]
    raise RequestError("not_found", "There is nothing at this address. Responses are at /v1/responses.")
