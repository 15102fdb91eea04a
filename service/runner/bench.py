"""The tools of one response, opened: each source is held open by a task of its own until the response is over."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import AllowedTool, AllowedTools, FunctionChoice, Tool, ToolChoice

from service.errors import NodexaError
from service.model.offers import offers_of
from service.runner.tool_check import MAX_TOOLS
from service.tools.tool import Call, Errand, Opened, Source, TokenWantedError
from service.tools.tool import Tool as PlatformTool
from service.tools.toolbox import Wanted

OPEN_SECONDS: Final = 30.0
"""How long a source may take to say what tools it has; one that takes longer has none."""
CLOSE_SECONDS: Final = 5.0
"""How long a source may take to say goodbye."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Bench:
    """What the sources gave: tools by the names that the model knows them by, items to show, tokens that are wanted."""

    tools: dict[str, PlatformTool] = field(default_factory=dict)
    items: list[Mapping[str, Any]] = field(default_factory=list)
    missing: list[TokenWantedError] = field(default_factory=list)
    _given: list[tuple[Wanted, Sequence[PlatformTool]]] = field(default_factory=list)

    def lay_out(self, wanted: Wanted, opened: Opened) -> None:
        """Adds what one source gave. Raises NodexaError `duplicate_tool_name`."""
        for tool in opened.tools:
            if tool.shown.name in self.tools:
                raise _twice(tool.shown.name)
            self.tools[tool.shown.name] = tool
        self.items += opened.items
        self._given.append((wanted, opened.tools))

    def given(self) -> list[tuple[str, PlatformTool]]:
        """All tools, each with the `type` word of what describes it."""
        return [(str(wanted.tool.get("type", "")), tool) for wanted, tools in self._given for tool in tools]

    def offered(self, settings: ResponseSettings) -> ResponseSettings:
        """The settings with the tools as functions in place of what describes them.

        Raises NodexaError `duplicate_tool_name` and `too_many_tools`.
        """
        places = {wanted.place for wanted, _ in self._given}
        others = [tool for place, tool in enumerate(settings.tools.tools) if place not in places]
        names = [offer.shown.name for tool in others for offer in offers_of(tool)]
        for name in names:
            if name in self.tools:
                raise _twice(name)
        if (count := len(names) + len(self.tools)) > MAX_TOOLS:
            message = f"At most {MAX_TOOLS} tools, those of servers included; these are {count}: allow fewer of them."
            raise NodexaError("too_many_tools", message, param="tools")
        told = ResponseSettings()
        told.CopyFrom(settings)
        told.tools.ClearField("tools")
        told.tools.tools.extend([*others, *(Tool(function=tool.shown) for tool in self.tools.values())])
        self._choose(told.tool_choice)
        return told

    def _choose(self, choice: ToolChoice) -> None:
        """Says a choice of the platform's tools in the words for functions."""
        if choice.HasField("opaque") and (names := self._meant(choice.opaque)):
            allowed = AllowedTools(mode=ToolChoice.MODE_REQUIRED, tools=map(_function, names))
            choice.CopyFrom(ToolChoice(allowed_tools=allowed))
        elif choice.HasField("allowed_tools"):
            kept: list[AllowedTool] = []
            for tool in choice.allowed_tools.tools:
                names = self._meant(tool.opaque) if tool.HasField("opaque") else []
                kept += list(map(_function, names)) or [tool]
            choice.allowed_tools.ClearField("tools")
            choice.allowed_tools.tools.extend(kept)

    def _meant(self, choice: Opaque) -> list[str]:
        """The functions that a choice names: by type, and where it says more by the label of a server and a name."""
        said = json.loads(choice.json)
        return [
            tool.shown.name
            for wanted, tools in self._given
            if all(said.get(key) in (None, wanted.tool.get(key)) for key in ("type", "server_label"))
            for tool in tools
            if said.get("name") in (None, _plain_name(tool))
        ]


@asynccontextmanager
async def laid_out(wanted: Sequence[Wanted], errand: Errand) -> AsyncGenerator[Bench, None]:
    """Opens all sources at once; they are closed when the block ends. Raises as `Bench.lay_out`."""
    over = asyncio.Event()
    opening = [asyncio.get_running_loop().create_future() for _ in wanted]
    holding = [
        asyncio.create_task(_hold(each.source, errand, opened, over))
        for each, opened in zip(wanted, opening, strict=True)
    ]
    try:
        bench = Bench()
        for each, opened in zip(wanted, opening, strict=True):
            found = await opened
            if isinstance(found, TokenWantedError):
                bench.missing.append(found)
            else:
                bench.lay_out(each, found)
        yield bench
        over.set()
        if holding:
            await asyncio.wait(holding, timeout=CLOSE_SECONDS)
    finally:
        for task in holding:
            task.cancel()
        await asyncio.gather(*holding, return_exceptions=True)


async def _hold(
    source: Source, errand: Errand, opened: asyncio.Future[Opened | TokenWantedError], over: asyncio.Event
) -> None:
    """Keeps one source open. By itself, since what it opens may have to be closed by the task that opened it."""
    try:
        async with asyncio.timeout(OPEN_SECONDS) as limit, source.open(errand) as found:
            limit.reschedule(None)
            opened.set_result(found)
            await over.wait()
    except TokenWantedError as wanted:
        if not opened.done():
            opened.set_result(wanted)
    except TimeoutError:
        log.warning("a source of tools was not open after %g seconds, and is left out", OPEN_SECONDS)
    except Exception:
        log.exception("a source of tools failed by a bug, and is left out")
    finally:
        if not opened.done():
            opened.set_result(Opened(()))


def _function(name: str) -> AllowedTool:
    return AllowedTool(function=FunctionChoice(name=name))


def _plain_name(tool: PlatformTool) -> str:
    """What its server calls the tool."""
    name: str = tool.item(Call(tool.shown.name, "{}", {}, ""), None).get("name", tool.shown.name)
    return name


def _twice(name: str) -> NodexaError:
    message = f"Two tools are named {name!r}, one of them a tool that the platform runs: leave one out, or rename it."
    return NodexaError("duplicate_tool_name", message, param="tools")
