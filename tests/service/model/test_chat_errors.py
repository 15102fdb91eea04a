"""Each way in which a model server fails has one error, in words of ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.model.chat_errors import log_words, refused, retry_after_seconds

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (204, "upstream_protocol_error"),
        (302, "upstream_error"),
        (400, "upstream_error"),
        (401, "upstream_auth_error"),
        (403, "upstream_auth_error"),
        (404, "upstream_error"),
        (418, "upstream_error"),
        (429, "rate_limit_exceeded"),
        (500, "upstream_error"),
        (503, "upstream_error"),
        (504, "upstream_error"),
        (999, "upstream_protocol_error"),
    ],
)
def test_a_status_decides_the_code_and_the_model_is_named(status: int, code: str) -> None:
    error = refused(status, {}, b'{"error": {"message": "canary"}}', model="m1", now=NOW)
    assert error.code == code
    assert "'m1'" in error.message
    assert "canary" not in error.message


@pytest.mark.parametrize(
    "words",
    [
        '{"error": {"code": "context_length_exceeded"}}',
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
        "the request exceeds the available context size. try increasing the context size",
        '{"error":{"code":400,"type":"exceed_context_size_error"}}',
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096.",
        "The input (9000 tokens) is longer than the model's context length (4096 tokens).",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "The input token count (1200000) exceeds the maximum number of tokens allowed",
        "Please reduce the length of the messages or completion.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "the input length exceeds the context length",
    ],
)
def test_every_servers_way_of_saying_too_long_is_known(words: str) -> None:
    error = refused(400, {}, words.encode(), model="m", now=NOW)
    assert (error.code, error.param) == ("context_length_exceeded", "input")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after-ms": b"250", b"retry-after": b"7"}, 0.25),
        ({b"retry-after": b"Thu, 01 Jan 2026 00:00:30 GMT"}, 30.0),
        ({b"retry-after": b"Thu, 01 Jan 2025 00:00:30 GMT"}, 0.0),
        ({b"retry-after": b"99999999"}, 86_400.0),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after-ms": b"nan"}, None),
        ({b"retry-after": b"\xff"}, None),
    ],
)
def test_retry_after_is_understood_in_all_its_forms(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOW) == seconds
    assert refused(429, headers, b"", model="m", now=NOW).retry_after == seconds


def test_only_single_words_of_an_error_body_are_logged() -> None:
    body = b'{"error": {"message": "a prompt", "type": "invalid_request_error", "code": "two words", "param": null}}'
    assert log_words(body) == "type=invalid_request_error"
    assert log_words(b"<html>") == "no JSON"
    assert log_words(b"7") == ""
