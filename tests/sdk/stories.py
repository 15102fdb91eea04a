"""What tests say to the fake model to be told all kinds of things, and the tools that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from openai.types.responses import FunctionToolParam

CITY: Final[dict[str, object]] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Final[FunctionToolParam] = {"type": "function", "name": "weather", "parameters": CITY, "strict": False}
TIME: Final[FunctionToolParam] = {"type": "function", "name": "time", "parameters": CITY, "strict": False}
TOOLS: Final = [TIME, WEATHER]

STORIES: Final[Mapping[str, str]] = {
    "text": "Hello, wide world",
    "two calls": "call weather in Paris and Rome",
    "reasoning": "think Hello, wide world",
    "a refusal": "refuse",
    "a failure": "reset One two",
}
