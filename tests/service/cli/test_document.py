"""Messages as JSON: the contract's field names, the wire's words."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from nodexa.v1.admin_pb2 import ApiKey, Assistant, Model
from nodexa.v1.response_pb2 import Response, ResponseSettings, Usage

from service.cli.document import document, number, printable, time_of, word, words


def test_a_key_is_written_in_wire_words() -> None:
    key = ApiKey(id="key_1", name="n", hint="abcd", scopes=[ApiKey.SCOPE_FULL_ACCESS], create_time=Timestamp(seconds=1))
    key.dialect = ApiKey.DIALECT_NODEXA
    assert document(key) == {
        "id": "key_1",
        "name": "n",
        "hint": "abcd",
        "scopes": ["full_access"],
        "create_time": "1970-01-01T00:00:01Z",
        "revoke_time": None,
        "dialect": "nodexa",
        "limits": None,
    }


def test_what_was_never_set_is_left_out_where_absence_means_something() -> None:
    settings = document(ResponseSettings(temperature=0.5, metadata={"b": "2", "a": "1"}))
    assert "top_p" not in settings
    assert settings["temperature"] == 0.5
    assert settings["tools"] is None
    assert settings["metadata"] == {"a": "1", "b": "2"}


def test_token_counts_are_numbers() -> None:
    assert document(Response(usage=Usage(total_tokens=2**40)))["usage"]["total_tokens"] == 2**40


@pytest.mark.parametrize(
    "enum",
    [
        ApiKey.Scope.DESCRIPTOR,
        Model.Kind.DESCRIPTOR,
        Assistant.InstructionsMode.DESCRIPTOR,
        Response.Status.DESCRIPTOR,
    ],
)
def test_every_word_leads_back_to_its_number(enum: EnumDescriptor) -> None:
    assert [number(enum, each) for each in words(enum)] == [value.number for value in enum.values[1:]]
    assert "unspecified" not in words(enum)


def test_a_value_of_tomorrow_is_shown_as_its_number() -> None:
    assert word(ApiKey.Scope.DESCRIPTOR, 99) == "99"


def test_a_time_that_was_never_set_is_empty() -> None:
    assert not time_of(Timestamp())
    assert time_of(Timestamp(seconds=86400)) == "1970-01-02 00:00:00"


def test_no_text_can_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\x9b1m\r\n\tc") == "a␛[2Jb␇\ufffd1m␍\n\tc"
