"""Models behind a `/v1/chat/completions` server: Ollama, vLLM, llama.cpp, every cloud."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.model.asked import Asked
from service.model.chat_request import OPENAI_ONLY, ChatBodies, is_openai
from service.model.chat_upstream import Upstream
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines, deadlines_of
from service.model.http_client import parse_address
from service.model.model import PASSED_ON, Abilities, Prompt, Take

HEEDS = PASSED_ON - {"reasoning.summary"}


class OpenAIChat:
    """One model on one server.

    `api_key` and the `options` are those of Upstream. Raises ValueError when the configuration's base_url is none.
    """

    def __init__(
        self, config: ModelConfig, *, api_key: Callable[[], str], deadlines: Deadlines | None = None, **options: Any
    ) -> None:
        openai = is_openai(config.base_url)
        self._bodies = ChatBodies(config.upstream_model or config.name, openai=openai)
        self._abilities = Abilities(
            tools=not config.no_tools,
            images=not config.no_images,
            files=config.files,
            at_once=True,
            heeds=HEEDS if openai else HEEDS - set(OPENAI_ONLY),
        )
        self._upstream = Upstream(
            config.name,
            parse_address(config.base_url, "/chat/completions"),
            api_key=api_key,
            deadlines=deadlines or deadlines_of(config, Deadlines()),
            **options,
        )

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def count(self, prompt: Prompt) -> int | None:
        """Returns None: the servers have no request for it in common."""
        return None

    async def warm(self) -> None:
        """Does nothing: a server is asked when there is something to ask."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        return self._upstream.stream(self._bodies.body(prompt), streaming=prompt.streaming)

    async def write(self, prompt: Prompt, take: Take) -> None:
        await self._upstream.write(self._bodies.body(prompt), take, streaming=prompt.streaming)

    def ask(self, prompt: Prompt, then: Callable[[], None]) -> Asked | None:
        return self._upstream.ask(self._bodies.body(prompt), then)

    async def close(self) -> None:
        self._upstream.close()
