"""Errors as the Python SDK tells them: class, code, field and request id; and sent again only where it helps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import openai
import pytest

from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack
from tests.sdk.stories import WEATHER
from tests.sdk.told import begun

NOBODY = "asst_00000000-0000-7000-8000-000000000000"
UNKNOWN = "resp_00000000-0000-7000-8000-000000000000"
Client = openai.OpenAI


REFUSED: Mapping[str, tuple[Callable[[Client, str], Any], type[openai.APIStatusError], str, str | None]] = {
    "an unknown turn before": (
        lambda client, model: client.responses.create(model=model, input="Hi", previous_response_id=UNKNOWN),
        openai.BadRequestError,
        "previous_response_not_found",
        "previous_response_id",
    ),
    "a model that is no id": (
        lambda client, _: client.responses.create(model="gpt-5", input="Hi"),
        openai.BadRequestError,
        "invalid_model",
        "model",
    ),
    "no input": (
        lambda client, model: client.responses.create(model=model),
        openai.BadRequestError,
        "missing_required_field",
        "input",
    ),
    "a temperature out of range": (
        lambda client, model: client.responses.create(model=model, input="Hi", temperature=3),
        openai.BadRequestError,
        "invalid_request",
        "temperature",
    ),
    "a parameter that would change the meaning": (
        lambda client, model: client.responses.create(model=model, input="Hi", prompt={"id": "pmpt_1"}),
        openai.BadRequestError,
        "unsupported_parameter",
        "prompt",
    ),
    "a tool twice": (
        lambda client, model: client.responses.create(model=model, input="Hi", tools=[WEATHER, WEATHER]),
        openai.BadRequestError,
        "duplicate_tool_name",
        "tools[1].name",
    ),
    "a conversation beyond the context": (
        lambda client, model: client.responses.create(model=model, input="overflow"),
        openai.BadRequestError,
        "context_length_exceeded",
        "input",
    ),
    "a wrong key": (
        lambda client, model: client.with_options(api_key="nxk_wrong").responses.create(model=model, input="Hi"),
        openai.AuthenticationError,
        "invalid_api_key",
        None,
    ),
    "an unknown assistant": (
        lambda client, _: client.responses.create(model=NOBODY, input="Hi"),
        openai.NotFoundError,
        "assistant_not_found",
        "model",
    ),
    "an unknown response": (
        lambda client, _: client.responses.retrieve(UNKNOWN),
        openai.NotFoundError,
        "response_not_found",
        "id",
    ),
    "an unknown response, streamed": (
        lambda client, _: client.responses.retrieve(UNKNOWN, stream=True),
        openai.NotFoundError,
        "response_not_found",
        "id",
    ),
    "a throttling model server": (
        lambda client, model: client.responses.create(model=model, input="throttled"),
        openai.RateLimitError,
        "rate_limit_exceeded",
        None,
    ),
    "a broken model server": (
        lambda client, model: client.responses.create(model=model, input="broken"),
        openai.InternalServerError,
        "upstream_error",
        None,
    ),
    "a model server that refuses our key": (
        lambda client, model: client.responses.create(model=model, input="unauthorized"),
        openai.InternalServerError,
        "upstream_auth_error",
        None,
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_every_refusal_has_its_class_code_field_and_request_id(
    client: openai.OpenAI, assistant: str, recorder: Recorder, case: Any
) -> None:
    ask, kind, code, param = case
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, assistant)
    error = caught.value
    assert (type(error), error.code, error.param) == (kind, code, param)
    assert error.request_id
    assert error.request_id == error.response.headers["x-request-id"]
    assert "upstream-secret" not in str(error)
    assert len(recorder.exchanges) == 1, "no SDK should send this again"


def test_a_key_whose_scope_does_not_reach_is_denied(client: openai.OpenAI, assistant: str, user_key: str) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.with_options(api_key=user_key).responses.create(model=assistant, input="Hi")
    assert (caught.value.code, caught.value.type) == ("insufficient_scope", "permission_error")


def test_a_turn_after_one_that_still_runs_is_a_conflict_and_not_sent_again(
    client: openai.OpenAI, assistant: str, recorder: Recorder
) -> None:
    running = client.responses.create(model=assistant, input="hang One two", background=True)
    recorder.exchanges.clear()
    with pytest.raises(openai.ConflictError) as caught:
        client.responses.create(model=assistant, input="Hi", previous_response_id=running.id)
    assert (caught.value.code, caught.value.param) == ("response_not_ready", "previous_response_id")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(recorder.exchanges) == 1
    client.responses.cancel(running.id)


def test_a_throttled_request_says_when_and_is_asked_of_the_model_once(
    client: openai.OpenAI, assistant: str, stack: Stack
) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.responses.create(model=assistant, input="throttled once")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(stack.asked("throttled once")) == 1


def test_a_failed_model_call_is_paid_for_once(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.responses.create(model=assistant, input="broken once")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(stack.asked("broken once")) == 1


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("reset One two", "upstream_error"),
        ("garbage One two", "upstream_protocol_error"),
        ("throttled", "rate_limit_exceeded"),
    ],
)
def test_a_failure_in_a_stream_is_raised_and_stored(
    client: openai.OpenAI, assistant: str, stack: Stack, said: str, code: str
) -> None:
    stream = client.responses.create(model=assistant, input=f"{said} streamed", stream=True)
    started = begun(next(stream))
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.code == code
    failed = client.responses.retrieve(started.id)
    assert failed.status == "failed"
    assert failed.error
    assert (str(failed.error.code), failed.error.message) == (code, caught.value.message)
    assert len(stack.asked(f"{said} streamed")) == 1


def test_an_answer_that_is_nonsense_fails_the_response(client: openai.OpenAI, assistant: str) -> None:
    failed = client.responses.create(model=assistant, input="garbage")
    assert failed.error
    assert (failed.status, str(failed.error.code)) == ("failed", "upstream_protocol_error")


def test_the_stream_helper_raises_a_failure_too(client: openai.OpenAI, assistant: str) -> None:
    with (
        client.responses.stream(model=assistant, input="cut One two") as stream,
        pytest.raises(openai.APIError, match="stops without a finish_reason"),
    ):
        stream.get_final_response()


def test_raw_answers_show_their_headers(client: openai.OpenAI, assistant: str) -> None:
    raw = client.responses.with_raw_response.create(
        model=assistant, input="Hello", extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().output_text == "Hello"
    assert raw.parse()._request_id == "mine-1"
    streamed = client.responses.with_raw_response.create(model=assistant, input="Hello", stream=True)
    assert streamed.headers["content-type"] == "text/event-stream"
    assert streamed.headers["x-request-id"]
    assert [event.type for event in streamed.parse()][-1] == "response.completed"


def test_what_had_no_effect_is_listed(client: openai.OpenAI, assistant: str) -> None:
    raw = client.responses.with_raw_response.create(
        model=assistant, input="Hello", extra_body={"background_options": {}}
    )
    assert json.loads(raw.text)["nodexa"]["ignored"] == ["background_options"]
