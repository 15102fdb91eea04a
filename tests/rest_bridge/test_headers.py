"""Request headers → gRPC metadata and request fields."""

from __future__ import annotations

import pytest

from rest_bridge import headers
from rest_bridge.errors import RequestError

KEY = (b"x-api-key", b"nxk_canary")


def test_both_ways_to_send_a_key_are_passed_on_with_the_user_and_the_request_id() -> None:
    sent = [KEY, (b"authorization", b"Bearer nxk_canary"), (b"x-user-id", b"alice@example.com"), (b"cookie", b"c")]
    assert headers.Head(sent).metadata("req_1") == (
        ("x-api-key", "nxk_canary"),
        ("authorization", "Bearer nxk_canary"),
        ("x-user-id", "alice@example.com"),
        ("x-request-id", "req_1"),
    )


def test_no_key_is_refused_before_anything_is_read() -> None:
    with pytest.raises(RequestError) as refusal:
        headers.metadata([(b"x-user-id", b"alice")])
    assert (refusal.value.code, refusal.value.status) == ("missing_api_key", 401)


@pytest.mark.parametrize("more", [(b"x-api-key", b"nxk_other"), (b"authorization", b"Bearer \xff")])
def test_a_key_that_cannot_be_passed_on_is_not_valid(more: tuple[bytes, bytes]) -> None:
    with pytest.raises(RequestError) as refusal:
        headers.metadata([KEY, more])
    assert refusal.value.code == "invalid_api_key"


@pytest.mark.parametrize("value", [b"", b"  ", b"x" * 257, b"a\tb", b"\x7f", "ä".encode(), b"canary\x00"])
def test_a_user_id_that_cannot_be_is_refused_and_not_repeated(value: bytes) -> None:
    with pytest.raises(RequestError) as refusal:
        headers.metadata([KEY, (b"x-user-id", value)])
    assert (refusal.value.code, refusal.value.status) == ("invalid_user_id", 400)
    assert "canary" not in refusal.value.message


def test_two_users_in_one_request_are_refused() -> None:
    with pytest.raises(RequestError, match="twice"):
        headers.metadata([KEY, (b"x-user-id", b"alice"), (b"x-user-id", b"bob")])


def test_a_user_id_of_the_full_length_passes() -> None:
    assert ("x-user-id", "x" * 256) in headers.metadata([KEY, (b"x-user-id", b"x" * 256)])


def test_user_tokens_are_an_object_of_texts() -> None:
    assert headers.user_tokens({"x-user-tokens": '{"github": "canary"}'}) == {"github": "canary"}
    assert headers.user_tokens({}) == {}


@pytest.mark.parametrize(
    "value", ["", "canary", "[]", '{"a": 1}', '{"a": {"canary": "x"}}', '{"a": "' + "canary" * 2000 + '"}', "\xff"]
)
def test_user_tokens_of_another_shape_are_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(RequestError) as refusal:
        headers.user_tokens({"x-user-tokens": value})
    assert (refusal.value.code, refusal.value.status) == ("invalid_user_tokens", 400)
    assert "canary" not in refusal.value.message


@pytest.mark.parametrize("given", ["req_1", "0af7651916cd43dd-8448:eb", "x" * 128])
def test_a_harmless_request_id_is_taken_over(given: str) -> None:
    assert headers.request_id({"x-request-id": given}, fresh=lambda: "req_new") == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\nb", "ä", "<script>"])
def test_another_request_id_is_replaced(given: str) -> None:
    assert headers.request_id({"x-request-id": given}, fresh=lambda: "req_new") == "req_new"


def test_headers_without_effect_are_named() -> None:
    assert headers.without_effect({"idempotency-key": "k", "x-nodexa-dialect": "nodexa"}) == ["idempotency-key"]


def test_a_dialect_that_nobody_speaks_is_refused() -> None:
    with pytest.raises(RequestError) as refusal:
        headers.metadata([(b"x-api-key", b"nxk_1"), (b"x-nodexa-dialect", b"klingon")])
    assert (refusal.value.code, refusal.value.param) == ("invalid_request", "x-nodexa-dialect")
