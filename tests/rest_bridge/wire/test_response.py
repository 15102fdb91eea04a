"""Response → the JSON object of the wire, validated by the SDK's own types."""

from __future__ import annotations

import orjson
import pytest
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import IncompleteDetails, Response, ResponseError, ResponseSettings
from openai.types.responses import Response as SdkResponse

from rest_bridge.wire.dialect import Dialect
from rest_bridge.wire.request import parse_create
from rest_bridge.wire.response import STATUS_WORDS, dump_response, render_response, render_settings

# All that OpenAI's document and the Open Responses standard ask for, and three more.
FIELDS = {
    "id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "instructions",
    "max_output_tokens", "max_tool_calls", "model", "output", "output_text", "parallel_tool_calls",
    "previous_response_id", "prompt_cache_key", "reasoning", "safety_identifier", "service_tier", "store",
    "background", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "presence_penalty",
    "frequency_penalty", "truncation", "metadata", "user", "conversation", "usage", "nodexa",
}  # fmt: skip


def finished() -> Response:
    response = Response(id="resp_1", assistant_id="asst_1", status=Response.STATUS_COMPLETED)
    response.create_time.seconds, response.complete_time.seconds = 1700000000, 1700000001
    for text in ("Hello", ", you"):
        item = response.output.add(id=f"msg_{len(response.output)}", status=2)
        item.message.role = item.message.ROLE_ASSISTANT
        item.message.content.add().output_text.text = text
    response.usage.input_tokens, response.usage.cached_tokens, response.usage.output_tokens = 5, 1, 3
    response.usage.reasoning_tokens, response.usage.total_tokens = 2, 8
    return response


def test_the_object_has_every_field_and_satisfies_the_sdk() -> None:
    shown = render_response(finished(), render_settings(ResponseSettings()))
    assert set(shown) == FIELDS
    SdkResponse.model_validate(shown, strict=True)
    assert shown["output_text"] == "Hello, you"
    assert (shown["created_at"], shown["completed_at"]) == (1700000000, 1700000001)
    assert shown["usage"] == {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 8,
    }


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("truncated", [0, 3])
@pytest.mark.parametrize("asks", ["", '{"type": "oauth_required", "provider": "p"}'])
@pytest.mark.parametrize(
    "settings",
    [
        ResponseSettings(),
        ResponseSettings(instructions="\u2028é", ignored=["image"]),
        ResponseSettings(user="x" * 5000),
    ],
)
def test_the_json_of_the_object_says_the_same(
    settings: ResponseSettings, asks: str, truncated: int, dialect: Dialect
) -> None:
    response = finished()
    response.settings.CopyFrom(settings)
    response.truncated_items = truncated
    if asks:
        response.output.add(id="item_1", opaque=Opaque(type="oauth_required", json=asks))

    text = dump_response(response, dialect=dialect)

    assert orjson.loads(text) == render_response(response, render_settings(settings), dialect=dialect)
    assert list(orjson.loads(text)) == list(render_response(response, render_settings(settings)))
    assert "\u2028" not in text.decode()


def test_what_is_not_known_yet_is_null() -> None:
    shown = render_response(
        Response(id="resp_1", status=Response.STATUS_IN_PROGRESS), render_settings(ResponseSettings())
    )
    assert [shown[name] for name in ("usage", "error", "incomplete_details", "completed_at")] == [None] * 4


def test_every_status_has_its_word() -> None:
    assert set(STATUS_WORDS) == set(Response.Status.values()) - {Response.STATUS_UNSPECIFIED}
    for number, word in STATUS_WORDS.items():
        assert Response.Status.Name(number) == f"STATUS_{word.upper()}"


def test_a_failure_is_told_in_four_words() -> None:
    response = Response(
        status=Response.STATUS_FAILED, error=ResponseError(code="upstream_timeout", message="Too slow.")
    )
    shown = render_response(response, {})
    assert shown["error"] == {
        "code": "upstream_timeout",
        "message": "Too slow.",
        "type": "server_error",
        "param": None,
    }


def test_a_cut_is_told_with_its_reason() -> None:
    response = Response(
        status=Response.STATUS_INCOMPLETE, incomplete_details=IncompleteDetails(reason="max_output_tokens")
    )
    assert render_response(response, {})["incomplete_details"] == {"reason": "max_output_tokens"}


def test_the_settings_are_echoed_as_they_were_sent() -> None:
    sent = {
        "instructions": "Be brief.",
        "tools": [
            {"type": "function", "name": "f", "description": None, "parameters": {"type": "object"}, "strict": True},
            {"type": "web_search", "search_context_size": "low"},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {
            "format": {"type": "json_schema", "name": "n", "description": None, "schema": {"a": 1}, "strict": None},
            "verbosity": "high",
        },
        "reasoning": {"effort": "low", "summary": None},
        "metadata": {"k": "v"},
        "temperature": 0.5,
        "top_p": 0.25,
        "top_logprobs": 3,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "store": False,
        "background": True,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "p",
        "service_tier": "flex",
        "truncation": "auto",
        "max_tool_calls": 4,
    }
    reading = parse_create({"model": "m", "input": "x", **sent}, user_tokens={}, ignored=[])
    shown = render_settings(reading.request.settings)
    assert {name: shown[name] for name in sent} == sent
    assert shown["nodexa"]["ignored"] == []


def test_what_a_truncation_left_out_is_counted_where_there_was_one() -> None:
    settings = render_settings(ResponseSettings(ignored=["moderation"]))
    assert render_response(Response(), settings)["nodexa"] == {"ignored": ["moderation"]}
    told = {"ignored": ["moderation"], "truncated_items": 3}
    assert render_response(Response(truncated_items=3), settings)["nodexa"] == told


@pytest.mark.parametrize(("hides", "word"), [(False, "requires_action"), (True, "completed")])
def test_waiting_for_results_is_hidden_from_those_who_would_lose_data(*, hides: bool, word: str) -> None:
    response = Response(status=Response.STATUS_REQUIRES_ACTION)
    assert render_response(response, {}, hides_requires_action=hides)["status"] == word
