"""Strict JSON in, one-line JSON out."""

from __future__ import annotations

import contextlib
import json as stdlib_json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest_bridge.errors import RequestError
from rest_bridge.wire import json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), children),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"not json", "line 1, column 1"),
        (b'{"a": 1} x', "line 1, column 10"),
        (b'{"a": "\x01"}', "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
        (b'{"a": 9223372036854775808}', "64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "64 bits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels"),
        (b'{"a":' * 100_000, "64 levels"),
    ],
    ids=lambda value: ascii(value[:24]) if isinstance(value, bytes) else None,
)
def test_what_is_not_plain_json_is_refused_with_the_reason(body: bytes, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint) as refusal:
        json.parse_object(body)
    assert refusal.value.code == "invalid_request"
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"1","a":"2"}',
        b'{"a":null,"b":"x","a":null}',
        b'{"a":true,"a":"true"}',
        '{"é":"1","é":"1"}'.encode(),
    ],
)
def test_a_key_that_stands_twice_is_refused_in_short_bodies_too(body: bytes) -> None:
    with pytest.raises(RequestError, match="twice"):
        json.parse_object(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"a": "b", "c": null, "d": true, "e": ""}\n',
        b'{"":""}',
        '{"model":"é","input":"{[:, ]}"}'.encode(),
        b'{"a":"\\""}',
        b'{"a":"\\"a\\":1"}',
        b'{"a":1,"b":[],"c":{"a":1}}',
    ],
)
def test_short_bodies_are_read_as_any_parser_would(body: bytes) -> None:
    assert json.parse_object(body) == stdlib_json.loads(body)


def test_nesting_up_to_the_limit_is_read() -> None:
    json.parse_object(b'{"a":' * 64 + b"1" + b"}" * 64)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(json.parse_object(b'{"a":[' + b"[]," * 500 + b"[]]}")["a"]) == 501


def test_a_whole_surrogate_pair_is_text() -> None:
    assert json.parse_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_numbers_at_the_edge_of_64_bits_survive() -> None:
    body = b'{"low":-9223372036854775808,"high":9223372036854775807}'
    assert json.dump(json.parse_object(body)) == body


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES))
def test_every_object_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert json.parse_object(stdlib_json.dumps(value).encode()) == value
    assert json.parse_object(json.dump(value)) == value


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.booleans() | st.sampled_from(["", "a", "é"]))))
def test_an_object_is_read_if_its_keys_differ(members: list[tuple[str, object]]) -> None:
    shown = ",".join(f"{stdlib_json.dumps(key)}:{json.dump(value).decode()}" for key, value in members)
    body = f"{{{shown}}}"
    if len(dict(members)) == len(members):
        assert json.parse_object(body.encode()) == dict(members)
    else:
        with pytest.raises(RequestError, match="twice"):
            json.parse_object(body.encode())


@given(st.binary(max_size=200))
def test_no_body_breaks_the_parser(body: bytes) -> None:
    with contextlib.suppress(RequestError):
        json.parse_object(body)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_written_is_one_line_for_every_reader(text: str) -> None:
    written = json.dump({"text": text})
    assert len(written.decode().splitlines()) == 1
    assert stdlib_json.loads(written) == {"text": text}


def test_stored_text_that_is_no_json_has_no_value() -> None:
    assert json.parse_stored("") is None
    assert json.parse_stored("{") is None
    assert json.parse_stored('{\n "a": 1\n}') == {"a": 1}
