"""An assistant's tools, as its administrator checks, lists and tries them; nothing is journalled."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import (
    AssistantTool,
    ListAssistantToolsResponse,
    TokenWanted,
    ToolFailure,
    TryToolRequest,
    TryToolResponse,
)
from nodexa.v1.tool_pb2 import Tool

from service.errors import NodexaError
from service.ids import NewId
from service.model.offers import offers_of
from service.runner.bench import Bench, laid_out
from service.runner.caller import Caller
from service.runner.catalog import Catalog
from service.runner.input_check import check_user_tokens
from service.runner.made_calls import Made, Result, result_of
from service.runner.tool_check import check_searches
from service.settings import Clock
from service.tools.tool import Call, Errand, Outcome, TokenWantedError, ToolError, UserTokens
from service.tools.tool import Tool as PlatformTool
from service.tools.toolbox import Toolbox

_NAMED_AT_MOST: Final = 50
_CLIENT: Final = ("function", "custom", "namespace")


class AssistantTools:
    """Opens the sources of an assistant's tools as a response does, for one question."""

    def __init__(self, toolbox: Toolbox, catalog: Catalog, clock: Clock, new_id: NewId) -> None:
        self._toolbox = toolbox
        self._catalog = catalog
        self._clock = clock
        self._new_id = new_id

    async def check(self, assistant: Assistant, org_id: str, *, path: str) -> None:
        """Raises NodexaError for the first of its tools that can't be, its `param` under `path`."""
        if tools := assistant.defaults.tools.tools:
            hosted = await self._hosted(assistant)
            await self._toolbox.check(tools, org_id=org_id, own=True, hosted=hosted, path=path)
            if not hosted:
                runs = partial(self._toolbox.runs, hosted=False)
                check_searches(tools, model=assistant.model, runs=runs, path=path)

    async def all(self, assistant: Assistant, caller: Caller, tokens: Mapping[str, str]) -> ListAssistantToolsResponse:
        """The tools of `assistant`. Raises NodexaError `invalid_user_tokens`, and as Bench."""
        hosted = await self._hosted(assistant)
        told = ListAssistantToolsResponse(tools=self._others(assistant.defaults.tools.tools, hosted=hosted))
        async with self._laid_out(assistant, caller, tokens, hosted=hosted) as (bench, _):
            told.tools.extend(_told(tool, type) for type, tool in bench.given())
            told.tokens_wanted.extend(map(_wanted, bench.missing))
            told.problems.extend(_problems(bench))
        return told

    async def call(
        self, assistant: Assistant, caller: Caller, request: TryToolRequest, note: Callable[[], Awaitable[None]]
    ) -> TryToolResponse:
        """Makes one call; `note` is awaited before it, since what it does stays done, whatever comes then.

        Raises NodexaError `invalid_user_tokens`, `tool_not_found`, `invalid_request`, and as Bench.
        """
        name, arguments = request.tool, request.arguments_json or "{}"
        values = _values(arguments)
        hosted = await self._hosted(assistant)
        async with self._laid_out(assistant, caller, request.user_tokens, hosted=hosted) as (bench, errand):
            found = {tool.shown.name: (type, tool) for type, tool in bench.given()}
            if name not in found:
                if bench.missing:
                    return TryToolResponse(token_wanted=_wanted(bench.missing[0]))
                raise _unknown(name, sorted(found), _problems(bench))
            await note()
            type, tool = found[name]
            told = TryToolResponse(tool=_told(tool, type), arguments_json=arguments)
            call = Call(name, arguments, values, self._new_id("call"))
            began = self._clock()
            _tell(told, await result_of(Made(tool, call, call.key, 0), errand))
            told.duration.FromMilliseconds(max(self._clock() - began, 0))
            return told

    async def _hosted(self, assistant: Assistant) -> bool:
        return (await self._catalog.model(assistant.model)).abilities.hosted

    @asynccontextmanager
    async def _laid_out(
        self, assistant: Assistant, caller: Caller, tokens: Mapping[str, str], *, hosted: bool
    ) -> AsyncGenerator[tuple[Bench, Errand], None]:
        check_user_tokens(tokens)
        errand = Errand(caller.org_id, assistant.id, caller.user_id, "", UserTokens(tokens))
        wanted = self._toolbox.wanted(assistant.defaults.tools.tools, hosted=hosted)
        async with laid_out(wanted, errand) as bench:
            yield bench, errand

    def _others(self, tools: Sequence[Tool], *, hosted: bool) -> list[AssistantTool]:
        """The tools that others run."""
        told = []
        for tool in tools:
            if tool.WhichOneof("kind") in _CLIENT:
                told += [_clients(offer.shown.name, offer.shown.description, tool) for offer in offers_of(tool)]
            elif not self._toolbox.runs(tool, hosted=hosted):
                told.append(AssistantTool(type=tool.opaque.type, runner=AssistantTool.RUNNER_MODEL_SERVER))
        return told


def _clients(name: str, description: str, tool: Tool) -> AssistantTool:
    kind = tool.WhichOneof("kind") or ""
    return AssistantTool(name=name, type=kind, runner=AssistantTool.RUNNER_CLIENT, description=description)


def _told(tool: PlatformTool, type: str) -> AssistantTool:
    return AssistantTool(
        name=tool.shown.name,
        type=type,
        runner=AssistantTool.RUNNER_PLATFORM,
        approval=tool.approval,
        description=tool.shown.description,
    )


def _wanted(wanted: TokenWantedError) -> TokenWanted:
    return TokenWanted(provider=wanted.provider, url=wanted.url)


def _problems(bench: Bench) -> list[str]:
    """What servers say that gave no tools."""
    return [f"{item.get('server_label', '')}: {item['error']}" for item in bench.items if item.get("error")]


def _values(arguments_json: str) -> Mapping[str, Any]:
    try:
        values = json.loads(arguments_json or "{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise NodexaError("invalid_request", "The arguments of a tool are a JSON object.", param="arguments_json")
    return values


def _tell(told: TryToolResponse, result: Result) -> None:
    if isinstance(result, Outcome):
        told.output = result.output
    elif isinstance(result, ToolError):
        told.failure.CopyFrom(ToolFailure(code=result.code, message=result.message, done=result.done))
    else:
        told.token_wanted.CopyFrom(_wanted(result))


def _unknown(name: str, names: Sequence[str], problems: Sequence[str]) -> NodexaError:
    known = ", ".join(names[:_NAMED_AT_MOST]) or "none"
    more = ", …" if len(names) > _NAMED_AT_MOST else ""
    failed = "".join(f" {problem}" for problem in problems)
    message = f"The platform runs no tool {name[:64]!r} for this assistant; it runs: {known}{more}.{failed}"
    return NodexaError("tool_not_found", message, param="tool")
