"""Opens a model on a fake chat server, and asks it things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from google.protobuf.json_format import ParseDict
from nodexa.v1.admin_pb2 import Model as ModelConfig
from nodexa.v1.item_pb2 import ContentPart, InputText, Item, Message
from nodexa.v1.response_pb2 import ResponseSettings

from service.model.chunk import Chunk
from service.model.deadlines import Deadlines
from service.model.model import Model, Prompt, WritesAtOnce, hand_on
from service.model.openai_chat import OpenAIChat

QUICK = Deadlines(connect=2.0, idle=0.3, reply=0.3)


class Naps:
    """Takes the place of sleeping between retries; `taken` are the seconds asked for."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def model_on(url: str, **options: Any) -> OpenAIChat:
    """Returns a model named `m` on the server at `url`."""
    config = ModelConfig(name="m", kind=ModelConfig.KIND_OPENAI_CHAT, base_url=url, upstream_model="up")
    options.setdefault("sleep", Naps())
    return OpenAIChat(config, api_key=options.pop("api_key", lambda: "sk-canary"), chance=lambda: 0.5, **options)


def asking(text: str, /, *, streaming: bool = True, **settings: Any) -> Prompt:
    """Returns a prompt of one user message."""
    part = ContentPart(input_text=InputText(text=text))
    item = Item(message=Message(role=Message.ROLE_USER, content=[part]))
    return Prompt("", [item], ParseDict(settings, ResponseSettings()), streaming)


async def batches(model: Model, prompt: Prompt) -> list[Sequence[Chunk]]:
    """Returns all batches of a turn, as a run gets them of such a model."""
    told: list[Sequence[Chunk]] = []
    async with asyncio.timeout(20):
        if model.abilities.at_once:
            await cast(WritesAtOnce, model).write(prompt, told.append)
        else:
            await hand_on(model.stream(prompt), told.append)
    return told


async def answer(model: Model, prompt: Prompt) -> list[Chunk]:
    """Returns all chunks of a turn."""
    return [chunk for batch in await batches(model, prompt) for chunk in batch]
