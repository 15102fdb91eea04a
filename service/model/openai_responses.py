"""Models behind a `/v1/responses` server: OpenAI, vLLM, other gateways, another Nodexa."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.model.asked import Asked
from service.model.chat_errors import RefusedError, garbled
from service.model.chat_reply import json_object
from service.model.chat_upstream import Upstream
from service.model.chunk import Chunk
from service.model.deadlines import Deadlines, deadlines_of
from service.model.http_client import parse_address
from service.model.model import PASSED_ON, Abilities, Prompt, Take
from service.model.responses_reply import readers
from service.model.responses_request import count_body, responses_body

# Such servers say nothing while a model thinks, and some think for minutes.
PATIENT: Final = Deadlines(idle=300.0)
HEEDS: Final = PASSED_ON - {"seed", "stop"}
UNKNOWN_PATH: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})

log = logging.getLogger(__name__)


class OpenAIResponses:
    """One model on one server.

    `api_key` and the `options` are those of Upstream. Raises ValueError when the configuration's base_url is none.
    """

    def __init__(
        self, config: ModelConfig, *, api_key: Callable[[], str], deadlines: Deadlines | None = None, **options: Any
    ) -> None:
        self._name = config.name
        self._said = {"model": config.upstream_model or config.name, "server": config.base_url.rstrip("/")}
        self._abilities = Abilities(
            tools=not config.no_tools,
            images=not config.no_images,
            files=config.files,
            hosted=True,
            at_once=True,
            heeds=HEEDS,
        )

        def upstream(path: str) -> Upstream:
            return Upstream(
                config.name,
                parse_address(config.base_url, path),
                api_key=api_key,
                deadlines=deadlines or deadlines_of(config, PATIENT),
                readers=readers(self._said["server"]),
                **options,
            )

        self._upstream = upstream("/responses")
        self._counter = upstream("/responses/input_tokens")
        self._counts = True

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def count(self, prompt: Prompt) -> int | None:
        """Asks the server; None where it can't say, and from then on where it has no such path."""
        if not self._counts:
            return None
        try:
            answer = await self._counter.whole(count_body(prompt, **self._said))
        except RefusedError as error:
            # It can't be counted: this prompt not, or none at all.
            if error.http_status == HTTPStatus.BAD_REQUEST:
                return None
            if error.http_status not in UNKNOWN_PATH:
                raise
            self._counts = False
            log.info("model %s: its server does not count tokens", self._name)
            return None
        count = json_object(answer, self._name).get("input_tokens")
        if not isinstance(count, int) or count < 0:
            raise garbled(self._name, "no number of tokens")
        return count

    async def warm(self) -> None:
        """Does nothing: a server is asked when there is something to ask."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        return self._upstream.stream(responses_body(prompt, **self._said), streaming=prompt.streaming)

    async def write(self, prompt: Prompt, take: Take) -> None:
        await self._upstream.write(responses_body(prompt, **self._said), take, streaming=prompt.streaming)

    def ask(self, prompt: Prompt, then: Callable[[], None]) -> Asked | None:
        return self._upstream.ask(responses_body(prompt, **self._said), then)

    async def close(self) -> None:
        self._upstream.close()
        self._counter.close()
