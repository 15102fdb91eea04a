"""Models behind Anthropic's Messages API, through the official SDK of the extra `anthropic`."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model.anthropic_request import HEEDS, count_body, message_body
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines, deadlines_of
from service.model.http_client import parse_address
from service.model.model import Abilities, Prompt

if TYPE_CHECKING:
    from service.model.anthropic_upstream import AnthropicUpstream

log = logging.getLogger(__name__)


class AnthropicModel:
    """One model at Anthropic, or on a server that speaks its API.

    `api_key` and the `options` are those of AnthropicUpstream. Raises ValueError when the configuration's base_url is
    none.
    """

    def __init__(
        self, config: ModelConfig, *, api_key: Callable[[], str], deadlines: Deadlines | None = None, **options: Any
    ) -> None:
        if config.base_url:
            parse_address(config.base_url, "")
        self._config = config
        self._model = config.upstream_model or config.name
        self._abilities = Abilities(
            tools=not config.no_tools, images=not config.no_images, files=True, file_urls=True, heeds=HEEDS
        )
        self._options = {"api_key": api_key, "deadlines": deadlines or deadlines_of(config, Deadlines()), **options}
        self._upstream: AnthropicUpstream | None = None

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        body = message_body(prompt, model=self._model)
        upstream = await self._opened()
        # Who wants summaries of the thinking is shown what comes as those.
        summary = prompt.settings.reasoning.HasField("summary")
        async with aclosing(upstream.stream(body, streaming=prompt.streaming, summary=summary)) as batches:
            async for batch in batches:
                yield batch

    async def count(self, prompt: Prompt) -> int | None:
        """Asks the server, which counts without writing."""
        return await (await self._opened()).count(count_body(prompt, model=self._model))

    async def warm(self) -> None:
        """Loads the SDK; the server is asked when there is something to ask."""
        with suppress(NodexaError):
            await self._opened()

    async def close(self) -> None:
        if self._upstream is not None:
            await self._upstream.close()

    async def _opened(self) -> AnthropicUpstream:
        """Returns the server. The SDK takes seconds to load, which nobody else should wait for."""
        if self._upstream is None:
            module = await asyncio.to_thread(self._load)
            if self._upstream is None:
                self._upstream = module.AnthropicUpstream(self._config.name, self._config.base_url, **self._options)
        return self._upstream

    def _load(self) -> ModuleType:
        try:
            return importlib.import_module("service.model.anthropic_upstream")
        except ImportError:
            log.warning("the package anthropic can't be loaded", exc_info=True)
            raise NodexaError(
                "upstream_error",
                f"The model {self._config.name!r} can't be asked: the package anthropic is broken where the core runs: "
                'pip install -U "nodexa[anthropic]".',
            ) from None
