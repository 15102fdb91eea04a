"""Answers that are more than text, through the Python SDK: parsed, thought over, refused, cut, about images."""

from __future__ import annotations

from enum import Enum

import openai
import pytest
from openai.types.responses import ResponseInputParam
from pydantic import BaseModel

from tests.sdk.stack import Stack
from tests.sdk.told import ended

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


class Mood(Enum):
    """How the weather feels."""

    GLAD = "glad"
    SAD = "sad"


class Report(BaseModel):
    """A weather report."""

    city: str
    degrees: int
    mood: Mood
    hours: list[str]


REPORT = Report(city="text", degrees=1, mood=Mood.GLAD, hours=["text"])


def test_a_schema_is_obeyed_and_parsed(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    response = client.responses.parse(model=assistant, input="Report, please", text_format=Report)
    assert response.output_parsed == REPORT
    (asked,) = stack.asked("Report, please")
    assert asked["response_format"]["json_schema"]["strict"] is True


def test_a_streamed_schema_is_parsed_at_the_end(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input="Report, please", text_format=Report) as stream:
        assert stream.get_final_response().output_parsed == REPORT


async def test_the_asynchronous_client_parses_too(async_client: openai.AsyncOpenAI, assistant: str) -> None:
    response = await async_client.responses.parse(model=assistant, input="Report, please", text_format=Report)
    assert response.output_parsed == REPORT


def test_reasoning_stands_before_the_answer(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input="think It is four.") as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    thought = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    whole = client.responses.create(model=assistant, input="think It is four.")
    assert thought == ["Let", " me", " think."]
    for response in (streamed, whole):
        reasoning, message = response.output
        assert reasoning.type == "reasoning"
        assert message.type == "message"
        assert reasoning.content
        assert reasoning.content[0].text == "Let me think."
        assert response.output_text == "It is four."
        assert response.usage
        assert response.usage.output_tokens_details.reasoning_tokens == 3


def test_a_refusal_is_no_text(client: openai.OpenAI, assistant: str) -> None:
    with client.responses.stream(model=assistant, input="refuse") as stream:
        events = list(stream)
        streamed = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.refusal.delta"]
    assert "".join(pieces) == "I can't help with that."
    whole = client.responses.create(model=assistant, input="refuse")
    for response in (streamed, whole):
        (message,) = response.output
        assert message.type == "message"
        assert message.content[0].type == "refusal"
        assert message.content[0].refusal == "I can't help with that."
        assert (response.status, response.output_text) == ("completed", "")


def test_an_answer_cut_by_the_limit_says_so(client: openai.OpenAI, assistant: str) -> None:
    whole = client.responses.create(model=assistant, input="count 30", max_output_tokens=16)
    streamed = ended(client.responses.create(model=assistant, input="count 30", max_output_tokens=16, stream=True))
    for response in (whole, streamed):
        assert response.incomplete_details
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert response.output_text.endswith("15 16")
        assert response.max_output_tokens == 16


def test_usage_that_nobody_counted_is_null(client: openai.OpenAI, assistant: str) -> None:
    assert client.responses.create(model=assistant, input="nousage Hello").usage is None


@pytest.mark.parametrize("url", [PIXEL, "https://example.com/cat.png"], ids=["data", "web"])
def test_an_image_reaches_the_model(client: openai.OpenAI, assistant: str, stack: Stack, url: str) -> None:
    question = f"What is on {url[:16]}?"
    content: ResponseInputParam = [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": question},
                {"type": "input_image", "image_url": url, "detail": "low"},
            ],
        }
    ]
    response = client.responses.create(model=assistant, input=content)
    assert response.output_text == f"{question} <image>"
    (asked,) = stack.asked(question)
    assert asked["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
