"""Google's models behind the Gemini API, through Google's own SDK, which is an extra: `nodexa[gemini]`."""

from __future__ import annotations

import asyncio
import importlib
import random
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.chat_upstream import FIRST_BACKOFF, RETRIES
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines, deadlines_of
from service.model.gemini_errors import AskFailedError
from service.model.gemini_reply import Reply
from service.model.gemini_request import GeminiRequest, gemini_request
from service.model.http_client import default_tls, parse_address
from service.model.model import Abilities, Prompt

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

    from service.model import gemini_client

BASE_URL: Final = "https://generativelanguage.googleapis.com/v1"
HEEDS: Final = frozenset(
    {
        "temperature",
        "top_p",
        "top_logprobs",
        "stop",
        "seed",
        "reasoning.effort",
        "reasoning.summary",
        "service_tier",
    }
)


class GeminiModel:
    """One model of Google's.

    `api_key` is asked at each request; it raises NodexaError where there is none, and "" sends none. Failures before
    the first chunk are tried again where that can help: no connection, one that broke, 502, 503, 504. Raises ValueError
    when the configuration is wrong.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        api_key: Callable[[], str],
        deadlines: Deadlines | None = None,
        tls_context: Callable[[], ssl.SSLContext] = default_tls,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = config.name
        self._upstream_model = config.upstream_model or config.name
        if any(mark in self._upstream_model for mark in ("..", "?", "&", "#")):
            raise ValueError("upstream_model is no name of a Gemini model")
        self._base_url = config.base_url.rstrip("/") or BASE_URL
        parse_address(self._base_url, "")
        self._abilities = Abilities(
            tools=not config.no_tools, images=not config.no_images, files=True, file_urls=True, heeds=HEEDS
        )
        self._api_key = api_key
        self._deadlines = deadlines or deadlines_of(config, Deadlines())
        self._tls_context = tls_context
        self._sleep = sleep
        self._chance = chance
        self._now = now
        self._opening = asyncio.Lock()
        self._client: gemini_client.GeminiClient | None = None

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def count(self, prompt: Prompt) -> int | None:
        """Returns None: the SDK counts contents alone, without instructions and tools."""
        return None

    async def warm(self) -> None:
        """Imports the SDK, which takes a second or two."""
        with suppress(NodexaError):
            await self._open()

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        return self._stream(gemini_request(prompt, model=self._upstream_model))

    async def close(self) -> None:
        client, self._client = self._client, None
        if client:
            await client.close()

    async def _stream(self, request: GeminiRequest) -> AsyncGenerator[Sequence[Chunk], None]:
        key = self._api_key()
        client = await self._open()
        for attempt in range(RETRIES + 1):
            shown = False
            try:
                async with aclosing(self._ask(client, request, key=key)) as batches:
                    async for chunks in batches:
                        shown = True
                        yield chunks
                    return
            except AskFailedError as failed:
                if shown or not failed.again or attempt == RETRIES:
                    raise failed.error from None
            await self._sleep(FIRST_BACKOFF * 2**attempt * (0.5 + self._chance()))

    async def _ask(
        self, client: gemini_client.GeminiClient, request: GeminiRequest, *, key: str
    ) -> AsyncGenerator[list[Chunk], None]:
        reply = Reply(self._name)
        async with aclosing(client.ask(request, key=key, now=self._now)) as responses:
            while response := await self._next(responses, closing=reply.finish is not None):
                if chunks := reply.add(response):
                    yield chunks
        yield reply.end()

    async def _next(
        self, responses: AsyncGenerator[GenerateContentResponse, None], *, closing: bool
    ) -> GenerateContentResponse | None:
        """Returns what comes next, None at the end; once the answer is whole, that may be missed without complaint."""
        if not closing:
            return await anext(responses, None)
        try:
            async with asyncio.timeout(self._deadlines.closing):
                return await anext(responses, None)
        except (TimeoutError, AskFailedError):
            return None

    async def _open(self) -> gemini_client.GeminiClient:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
            return self._client

    def _make(self) -> gemini_client.GeminiClient:
        try:
            module: Any = importlib.import_module("service.model.gemini_client")
        except ImportError:
            message = f"The model {self._name!r} can't be asked: Google's SDK can't be imported where the core runs."
            raise NodexaError("upstream_error", f'{message} Run: pip install "nodexa[gemini]"') from None
        client: gemini_client.GeminiClient = module.GeminiClient(
            self._name, self._base_url, deadlines=self._deadlines, tls=self._tls_context()
        )
        return client
