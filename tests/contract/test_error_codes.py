"""The core's errors and the bridge's are one list."""

from __future__ import annotations

import grpc
import pytest

from rest_bridge.core import DOMAIN
from rest_bridge.errors import STATUS_OF as HTTP_STATUS_OF
from service.errors import STATUS_OF as GRPC_STATUS_OF

HTTP_ONLY = {
    "method_not_allowed",
    "request_timeout",
    "url_too_long",
    "unsupported_media_type",
    "request_head_too_large",
    "service_unavailable",
    "deadline_exceeded",
    "websocket_connection_limit_reached",
}

STATUSES = {
    "UNAUTHENTICATED": {401},
    "PERMISSION_DENIED": {403},
    "INVALID_ARGUMENT": {400},
    "NOT_FOUND": {404, 400},
    "ALREADY_EXISTS": {409},
    "FAILED_PRECONDITION": {400, 409, 410},
    "ABORTED": {409},
    "RESOURCE_EXHAUSTED": {413, 429},
    "UNIMPLEMENTED": {404},
    "UNAVAILABLE": {500, 502, 503},
    "DEADLINE_EXCEEDED": {504},
    "UNKNOWN": {502},
    "INTERNAL": {500},
}


def test_every_code_of_the_core_has_an_http_status() -> None:
    assert set(HTTP_STATUS_OF) == set(GRPC_STATUS_OF) | HTTP_ONLY


@pytest.mark.parametrize("code", GRPC_STATUS_OF)
def test_both_statuses_of_a_code_mean_the_same(code: str) -> None:
    assert HTTP_STATUS_OF[code] in STATUSES[GRPC_STATUS_OF[code]]
    assert GRPC_STATUS_OF[code] in grpc.StatusCode.__members__


def test_the_bridge_reads_errors_of_the_cores_domain() -> None:
    assert DOMAIN == "nodexa"
