"""Error codes → HTTP status, type, body, headers; and the core's errors over HTTP."""

from __future__ import annotations

import json

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from rest_bridge.core import DETAILS_KEY, is_lost, refused
from rest_bridge.errors import STATUS_OF, RequestError, error_body, error_headers, error_type, internal


def rpc_error(code: grpc.StatusCode, *details: Message, message: str = "Told.") -> grpc.aio.AioRpcError:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    status = Status(code=code.value[0], message=message, details=packed)
    trailing = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString())) if details else grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=message)


def info(code: str, **metadata: str) -> ErrorInfo:
    return ErrorInfo(reason=code, domain="nodexa", metadata=metadata)


def test_every_error_has_the_same_four_members() -> None:
    body = json.loads(error_body(RequestError("invalid_request", "No.", param="stream")))
    assert body == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "stream", "code": "invalid_request"}
    }
    assert json.loads(error_body(RequestError("not_found", "No.")))["error"]["param"] is None


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("missing_api_key", "authentication_error"),
        ("insufficient_scope", "permission_error"),
        ("rate_limit_exceeded", "rate_limit_error"),
        ("response_not_found", "invalid_request_error"),
        ("response_not_ready", "invalid_request_error"),
        ("upstream_error", "server_error"),
        ("internal_error", "server_error"),
        ("word_of_tomorrow", "server_error"),
    ],
)
def test_the_type_follows_from_the_status(code: str, word: str) -> None:
    assert error_type(code) == word


def test_every_status_is_one_that_clients_know() -> None:
    refusals = {400, 401, 403, 404, 405, 408, 409, 410, 413, 414, 415, 429, 431}
    assert set(STATUS_OF.values()) <= refusals | {500, 502, 503, 504}


def test_what_may_be_sent_again_says_when() -> None:
    assert error_headers(RequestError("server_draining", "Soon.")) == [(b"retry-after", b"1")]
    assert error_headers(RequestError("rate_limit_exceeded", "Slow.", retry_after=2.1)) == [(b"retry-after", b"3")]


@pytest.mark.parametrize("code", [code for code, status in STATUS_OF.items() if status == 409])
def test_a_conflict_is_not_sent_again_by_itself(code: str) -> None:
    assert (b"x-should-retry", b"false") in error_headers(RequestError(code, "No."))


def test_a_bug_is_told_by_its_request_id_alone() -> None:
    refusal = internal("req_1")
    assert (refusal.code, refusal.status) == ("internal_error", 500)
    assert "req_1" in refusal.message


def test_an_error_of_the_core_keeps_its_code_words_and_field() -> None:
    refusal = refused(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, info("invalid_model", param="model")))
    assert (refusal.code, refusal.message, refusal.param, refusal.status) == ("invalid_model", "Told.", "model", 400)
    assert refusal.repeatable


def test_a_field_of_the_contract_is_named_as_over_http() -> None:
    assert (
        refused(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, info("invalid_request", param="page_token"))).param
        == "after"
    )


def test_an_error_after_the_response_exists_is_not_sent_again() -> None:
    refusal = refused(rpc_error(grpc.StatusCode.UNAVAILABLE, info("upstream_error", response_id="resp_1")))
    assert (refusal.status, refusal.repeatable) == (502, False)
    assert (b"x-should-retry", b"false") in error_headers(refusal)


def test_the_wait_that_the_core_names_is_passed_on() -> None:
    retry = RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    refusal = refused(rpc_error(grpc.StatusCode.RESOURCE_EXHAUSTED, info("rate_limit_exceeded"), retry))
    assert error_headers(refusal) == [(b"retry-after", b"2")]


def test_a_code_of_a_newer_core_gets_the_status_of_its_kind() -> None:
    refusal = refused(rpc_error(grpc.StatusCode.INVALID_ARGUMENT, info("word_of_tomorrow")))
    assert (refusal.code, refusal.status) == ("word_of_tomorrow", 400)


def test_words_that_no_core_of_ours_wrote_are_not_passed_on() -> None:
    refusal = refused(rpc_error(grpc.StatusCode.UNAVAILABLE, message="canary: connect to 10.0.0.1"))
    assert (refusal.code, refusal.status) == ("service_unavailable", 503)
    assert "canary" not in refusal.message
    other = ErrorInfo(reason="canary", domain="elsewhere")
    assert refused(rpc_error(grpc.StatusCode.INTERNAL, other)).code == "internal_error"


def test_details_that_cannot_be_read_are_no_details() -> None:
    trailing = grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff"))
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNKNOWN, grpc.aio.Metadata(), trailing, details="canary")
    assert refused(error).code == "internal_error"


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (rpc_error(grpc.StatusCode.UNAVAILABLE), True),
        (rpc_error(grpc.StatusCode.CANCELLED), True),
        (rpc_error(grpc.StatusCode.UNAVAILABLE, info("server_draining")), True),
        (rpc_error(grpc.StatusCode.UNAVAILABLE, info("upstream_error")), False),
        (rpc_error(grpc.StatusCode.NOT_FOUND, info("response_not_found")), False),
        (rpc_error(grpc.StatusCode.INTERNAL), False),
    ],
)
def test_only_a_lost_core_is_worth_another_call(error: grpc.aio.AioRpcError, *, lost: bool) -> None:
    assert is_lost(error) is lost
