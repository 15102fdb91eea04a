"""The log: one JSON object a line, and no secret in it."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from service.journal import JsonLines
from service.keys import Keyring

KEY = Keyring(b"s" * 32, b"p" * 32).mint(key_id="key_1", org_id="org_1", issued_at=0)


def line_of(message: str, *arguments: object, error: BaseException | None = None) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("service.x", logging.WARNING, __file__, 1, message, arguments, info)
    return JsonLines().format(record)


def test_a_line_is_one_json_object_whatever_it_says() -> None:
    line = line_of("a\nb %s", "\u2028 ü")

    assert "\n" not in line
    written = json.loads(line)
    assert (written["level"], written["logger"], written["message"]) == ("warning", "service.x", "a\nb \u2028 ü")
    assert "exception" not in written


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer sk-upstream", "x={}, y"])
def test_keys_and_tokens_are_masked(form: str) -> None:
    text = form.format(KEY)
    assert KEY[4:] not in line_of("refused %s", text)
    assert "sk-upstream" not in line_of(text)


def test_keys_are_masked_in_tracebacks_too() -> None:
    try:
        raise ValueError(f"no such key: {KEY}")
    except ValueError:
        error = sys.exception()

    written = json.loads(line_of("failed", error=error))

    assert "ValueError" in written["exception"]
    assert KEY[4:] not in written["exception"]
