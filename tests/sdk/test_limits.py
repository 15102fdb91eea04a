"""Limits as the official SDK meets them: an error of its own class, and a second try after the time it was told."""

from __future__ import annotations

import time

import openai
import pytest

from tests.sdk.recorder import Recorder
from tests.sdk.stack import Stack


def limited_key(stack: Stack, option: str, limit: int) -> str:
    made = stack.nodexa("keys", "create", "--name", "app", "--scope", "full_access")
    stack.nodexa("keys", "update", made["api_key"]["id"], option, str(limit))
    secret: str = made["secret"]
    return secret


def test_beyond_a_limit_the_sdk_raises_its_own_error_that_says_when_to_come_back(
    client: openai.OpenAI, stack: Stack, assistant: str
) -> None:
    app = client.with_options(api_key=limited_key(stack, "--concurrent-runs", 1), max_retries=0)
    running = app.responses.create(model=assistant, input="hang One two", background=True)

    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as caught:
            app.responses.create(model=assistant, input="Hi", stream=stream)
        assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "rate_limit_error")
        assert caught.value.response.headers["retry-after"] == "1"

    app.responses.cancel(running.id)
    assert app.responses.create(model=assistant, input="Hi").status == "completed"


def test_an_sdk_that_tries_again_waits_and_gets_its_answer(
    client: openai.OpenAI, stack: Stack, assistant: str, recorder: Recorder
) -> None:
    text = "One two three four five six seven"
    usage = client.responses.create(model=assistant, input=text).usage
    assert usage is not None
    app = client.with_options(api_key=limited_key(stack, "--tokens-per-minute", usage.total_tokens))
    app.responses.create(model=assistant, input=text)
    recorder.exchanges.clear()

    began = time.monotonic()
    answer = app.responses.create(model=assistant, input=text)

    assert answer.status == "completed"
    refused, answered = recorder.exchanges
    assert (refused.status, answered.status) == (429, 200)
    assert time.monotonic() - began >= int(refused.headers["retry-after"])
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert int(answered.headers["x-ratelimit-remaining-tokens"]) >= 1
