"""What a request's settings come to with its assistant and its model, kept for requests that ask for the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.response_pb2 import ResponseSettings
from nodexa.v1.tool_pb2 import Tool, ToolChoice

from service.errors import NodexaError
from service.model.model import Model
from service.model.offers import offers_of
from service.runner.redaction import shown
from service.runner.settings_check import check_settings
from service.runner.settings_merge import effective_settings, unused_settings
from service.runner.tool_check import check_hosted, check_searches
from service.tools.toolbox import Toolbox

LARGE: Final = 64 * 1024
"""Settings of more bytes are looked through in a thread: schemas of 16 MB take seconds, and nobody else waits."""
KEPT_BYTES: Final = 4 * 1024 * 1024
_OVERHEAD: Final = 1024


@dataclass(slots=True)
class Settled:
    """Effective settings, which all requests that ask for the same share, and what may be shown of them, serialized.

    What each request asks of them is looked up once: `stored` and `background` as they say, whether it `compacts` at a
    threshold, has `tools`, must be `silent` and call none of them, and whether its answer `may_come_again`, asked for
    anew with less before it or where it doesn't fit its schema. `plain` says that the answer is all there is to it.
    """

    settings: ResponseSettings
    shown: bytes
    stored: bool = field(init=False)
    background: bool = field(init=False)
    compacts: bool = field(init=False)
    tools: bool = field(init=False)
    silent: bool = field(init=False)
    may_come_again: bool = field(init=False)
    plain: bool = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.stored = settings.store or not settings.HasField("store")
        self.background = settings.background
        self.compacts = settings.HasField("compact_threshold")
        self.tools = bool(settings.tools.tools)
        self.silent = settings.tool_choice.mode == ToolChoice.MODE_NONE
        truncates = settings.truncation == ResponseSettings.TRUNCATION_AUTO
        self.may_come_again = truncates or settings.text.format.json_schema.strict
        self.plain = not (self.background or self.compacts or self.tools)

    def own(self, ignored: Iterable[str]) -> Settled:
        """The same for one request, in which this has no effect either."""
        settings = ResponseSettings()
        settings.CopyFrom(self.settings)
        settings.ignored.extend(path for path in ignored if path not in settings.ignored)
        return Settled(settings, shown(settings).SerializeToString())


class Settling:
    """Checks settings once, as long as neither the assistant nor the model changes."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        # With the assistant and the model themselves, so that no other gets their identity meanwhile.
        self._kept: dict[tuple[int, int, bytes], tuple[Assistant, Model, Settled]] = {}
        self._size = 0

    def at_hand(self, asked: ResponseSettings, assistant: Assistant, model: Model) -> Settled | None:
        """What `settle` came to before."""
        found = self._kept.get((id(assistant), id(model), asked.SerializeToString()))
        return found[2] if found is not None else None

    async def settle(self, asked: ResponseSettings, assistant: Assistant, model: Model) -> Settled:
        """The effective settings, not to be changed; what has no effect is in their `ignored`. Raises NodexaError."""
        if found := self.at_hand(asked, assistant, model):
            return found
        runs = partial(self._toolbox.runs, hosted=model.abilities.hosted)
        settings = await _settled(asked, assistant, model, runs)
        settled = Settled(settings, shown(settings).SerializeToString())
        self._keep(asked.SerializeToString(), assistant, model, settled)
        return settled

    def _keep(self, said: bytes, assistant: Assistant, model: Model, settled: Settled) -> None:
        size = len(said) + 2 * settled.settings.ByteSize() + _OVERHEAD
        if size > LARGE:
            return
        if self._size + size > KEPT_BYTES:
            self._kept.clear()
            self._size = 0
        self._kept[id(assistant), id(model), said] = assistant, model, settled
        self._size += size


async def _settled(
    asked: ResponseSettings, assistant: Assistant, model: Model, runs: Callable[[Tool], bool]
) -> ResponseSettings:
    settings = effective_settings(assistant, asked)
    if settings.ByteSize() > LARGE:
        await asyncio.to_thread(check_settings, settings)
    else:
        check_settings(settings)
    _expect_tools(model, assistant, settings, runs)
    unused = unused_settings(settings, model.abilities, runs)
    settings.ignored.extend(path for path in unused if path not in settings.ignored)
    return settings


def _expect_tools(model: Model, assistant: Assistant, settings: ResponseSettings, runs: Callable[[Tool], bool]) -> None:
    able = model.abilities
    if not able.tools and any(able.hosted or any(offers_of(tool)) or runs(tool) for tool in settings.tools.tools):
        raise NodexaError(
            "tool_not_supported_for_model",
            f"The model {assistant.model!r} can't call tools: send tools: [], or use another assistant.",
            param="tools",
        )
    if not able.hosted:
        check_hosted(settings, model=assistant.model, runs=runs)
        check_searches(settings.tools.tools, model=assistant.model, runs=runs)
