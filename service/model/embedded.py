"""Models that run on this machine, from a GGUF file, without a server or a key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

from nodexa.v1.admin_pb2 import Model as ModelConfig
from nodexa.v1.tool_pb2 import FunctionTool

from service.errors import NodexaError
from service.model.chat_errors import RefusedError
from service.model.chat_upstream import Upstream
from service.model.chunk import Chunk, Finish, FinishReason, TextDelta, TokenUsage, ToolCallDelta
from service.model.embedded_steps import answering, calling, choosing, must_call, offered
from service.model.engine import Engine, EngineSettings
from service.model.model import Abilities, Prompt
from service.model.offers import as_functions

log = logging.getLogger(__name__)

MOST_SLOTS = 4
CONTEXT = 4096
# The template inside our weights adds a system prompt that spoils the answers: this is plain ChatML.
CHATML = """\
{%- for m in messages -%}
{{- '<|im_start|>' + m.role + '\\n' + (m.content if m.content else '') -}}
{%- for c in m.tool_calls or [] -%}
{{- '\\nFunction: ' + c.function.name + '\\nArguments: ' -}}
{{- c.function.arguments if c.function.arguments is string else c.function.arguments | tojson -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
# How our weights want to be sampled, and how often in a row they may call: they call again whatever they are told.
BUNDLED_SAMPLING: Mapping[str, float] = {"temperature": 0.2, "top_p": 0.9}
BUNDLED_CALLS = 1
OWN_CALLS = 8
NOTHING = TokenUsage(0, 0)
# It writes one call a turn, so `parallel_tool_calls` has an effect only where somebody wants more.
HEEDS = frozenset({"temperature", "top_p", "top_logprobs", "stop", "seed"})


class EmbeddedModel:
    """One GGUF file. As many turns as it has slots are written at once, others wait; each has CONTEXT tokens at most.

    One of the `cores` is left to the rest of the machine: the engine's threads wait for each other by spinning, and
    with as many of them as cores, whatever else ran made it ten times slower. More slots than cores only cost memory.
    """

    def __init__(self, config: ModelConfig, *, environment: Mapping[str, str], cores: int) -> None:
        self._name = config.name
        self._abilities = Abilities(tools=not config.no_tools, images=False, heeds=HEEDS)
        bundled = not config.gguf
        self._defaults = BUNDLED_SAMPLING if bundled else {}
        self._most_calls = BUNDLED_CALLS if bundled else OWN_CALLS
        slots = min(max(2, cores), MOST_SLOTS)
        settings = EngineSettings(
            config.gguf, CHATML if bundled else "", slots=slots, context=CONTEXT, threads=max(1, cores - 1)
        )
        self._engine = Engine(config.name, settings, environment=environment)
        self._slots = asyncio.Semaphore(slots)

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    async def warm(self) -> None:
        """Loads the weights."""
        try:
            await self._engine.upstream()
        except NodexaError as error:
            log.warning("model %s is not ready: %s", self._name, error.message)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Sequence[Chunk], None]:
        prompt = as_functions(prompt)
        turn = _Turn(prompt.settings.max_output_tokens or None)
        tools = offered(prompt, most_calls=self._most_calls)
        async with self._slots:
            upstream = await self._engine.upstream()
            turn.function = await self._choose(upstream, prompt, tools, turn)
            if turn.left == 0:
                yield [turn.spent, Finish(FinishReason.LENGTH)]
                return
            if turn.function:
                body = calling(prompt, tools, turn.function, limit=turn.left)
            else:
                body = answering(prompt, limit=turn.left, defaults=self._defaults)
            async with aclosing(upstream.stream(body, streaming=True)) as batches:
                try:
                    async for batch in batches:
                        yield [turn.shown(chunk) for chunk in batch]
                except RefusedError as error:
                    has_schema = prompt.settings.text.format.HasField("json_schema")
                    raise self._refused(error, turn.function, has_schema=has_schema) from None

    async def count(self, prompt: Prompt) -> int | None:
        prompt = as_functions(prompt)
        tools = offered(prompt, most_calls=self._most_calls)
        if tools and not (len(tools) == 1 and must_call(prompt.settings)):
            raise NodexaError(
                "tokens_not_countable",
                f"The model {self._name!r} reads a prompt with tools a second time once it chose one, so the tokens "
                "depend on its choice. Count with tools: [], or with a tool_choice of none.",
                param="tools",
            )
        if tools:
            return await self._engine.count(calling(prompt, tools, tools[0], limit=None))
        return await self._engine.count(answering(prompt, limit=None, defaults=self._defaults))

    async def close(self) -> None:
        await self._engine.close()

    async def _choose(
        self, upstream: Upstream, prompt: Prompt, tools: Sequence[FunctionTool], turn: _Turn
    ) -> FunctionTool | None:
        """Returns the function to call, None for an answer in words."""
        if not tools:
            return None
        if len(tools) == 1 and must_call(prompt.settings):
            return tools[0]
        chosen = ""
        async with aclosing(upstream.stream(choosing(prompt, tools, limit=turn.left), streaming=True)) as batches:
            async for batch in batches:
                shown = [turn.shown(chunk) for chunk in batch]
                chosen += "".join(chunk.text for chunk in shown if isinstance(chunk, TextDelta))
        return next((tool for tool in tools if tool.name == chosen), None)

    def _refused(self, error: RefusedError, function: FunctionTool | None, *, has_schema: bool) -> NodexaError:
        """Returns what a refusal means: of all that we send, only a schema can be one that the engine doesn't take."""
        if error.http_status != HTTPStatus.BAD_REQUEST or not (function or has_schema):
            return error
        whose, code, param = "of text.format", "invalid_request", "text.format.schema"
        if function:
            whose, code, param = f"of the function {function.name!r}", "invalid_tool_schema", "tools"
        return NodexaError(
            code, f"The model {self._name!r} can't be held to the schema {whose}: write a simpler one.", param=param
        )


@dataclass(slots=True)
class _Turn:
    """What a turn may still spend, and what becomes of the engine's chunks: arguments where `function` is set."""

    limit: int | None
    function: FunctionTool | None = None
    spent: TokenUsage = field(default_factory=lambda: NOTHING)
    begun: bool = False

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.spent.output_tokens)

    def shown(self, chunk: Chunk) -> Chunk:
        if isinstance(chunk, TokenUsage):
            self.spent = TokenUsage(
                input_tokens=self.spent.input_tokens + chunk.input_tokens,
                output_tokens=self.spent.output_tokens + chunk.output_tokens,
                cached_tokens=self.spent.cached_tokens + chunk.cached_tokens,
            )
            return self.spent
        if self.function and isinstance(chunk, TextDelta):
            name, self.begun = "" if self.begun else self.function.name, True
            return ToolCallDelta(index=0, name=name, arguments=chunk.text)
        return chunk
