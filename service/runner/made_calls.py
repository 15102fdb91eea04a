"""Calls of tools that the platform runs: made within their time, and told from their beginning to their end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.item_pb2 import Item, Opaque, ToolRun

from service.model.chunk import OutputItem
from service.model.past_calls import APPROVAL_REQUEST, TOKEN_WANTED
from service.tools.tool import CALL_SECONDS, OUTPUT_BYTES, Call, Errand, Outcome, TokenWantedError, Tool, ToolError

PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mcp_call": "mcp",
        "mcp_list_tools": "mcpl",
        APPROVAL_REQUEST: "mcpr",
        TOKEN_WANTED: "oar",
        "web_search_call": "ws",
        "file_search_call": "fs",
    }
)
"""How the ids of such items begin."""
_ASKED_FOR: Final = (("file_search_call", "results"), ("web_search_call", "action", "sources"))
"""Members of items that are told only where `include` names them."""
_FAILED: Final = "The call failed ({code}): {message}"
_BY_A_BUG: Final = "The tool failed by a bug; the operator's log says how."

log = logging.getLogger(__name__)

Result = Outcome | ToolError | TokenWantedError


@dataclass(slots=True)
class Made:
    """A call and what came of it. `index` is the number of its OutputItems.

    `begun` says that its item stands in the log already, `cleared` that it was held, and can be made now; `approval` is
    the request that it was held by.
    """

    tool: Tool
    call: Call
    call_id: str
    index: int
    begun: bool = False
    cleared: bool = False
    approval: str = ""
    result: Result | None = None

    @property
    def waits_for_approval(self) -> bool:
        """Whether somebody has to approve of it before it's made."""
        return self.tool.approval and not self.cleared

    @property
    def definition(self) -> str:
        """A digest of what the tool says of itself."""
        return hashlib.sha256(self.tool.shown.SerializeToString(deterministic=True)).hexdigest()

    @property
    def run(self) -> ToolRun:
        """The call as later turns are told of it."""
        run = ToolRun(call_id=self.call_id, name=self.call.name, arguments=self.call.arguments)
        if isinstance(self.result, Outcome):
            run.output = self.result.output
        elif isinstance(self.result, ToolError):
            run.output = _FAILED.format(code=self.result.code, message=self.result.message)
        return run

    def beginning(self) -> list[OutputItem]:
        """What is told before it is made."""
        if not self.tool.type or self.begun:
            return []
        first, *rest = [*self.tool.phases] or [""]
        told = [OutputItem(self.index, self._item("in_progress"), phase=first)]
        told += [OutputItem(self.index, phase=phase) for phase in rest]
        if self.tool.type == "mcp_call":
            told.append(OutputItem(self.index, arguments=self.call.arguments))
        return told

    def ending(self, include: Collection[str]) -> list[OutputItem]:
        """What is told when it's over; `include` names members that are asked for."""
        if not self.tool.type:
            return []
        if isinstance(self.result, Outcome):
            return [OutputItem(self.index, self._item("completed", include), phase="completed", done=True)]
        held = isinstance(self.result, TokenWantedError)
        return [OutputItem(self.index, self._item("incomplete" if held else "failed"), phase="failed", done=True)]

    def approval_asked(self) -> OutputItem:
        """The item that asks somebody to approve of it."""
        said = self.tool.item(self.call, None)
        about = {
            "name": said.get("name", self.call.name),
            "arguments": self.call.arguments,
            "server_label": said.get("server_label", self.tool.type or self.call.name),
        }
        run = self.run
        run.definition = self.definition
        return item(self.index, APPROVAL_REQUEST, about, run=run)

    def token_asked(self, wanted: TokenWantedError) -> OutputItem:
        """The item that asks for a token of the user, so that it can be made."""
        said = self.tool.item(self.call, None)
        about = {"name": said.get("name", self.call.name), "arguments": self.call.arguments}
        return token_item(self.index, wanted, about, run=self.run)

    def _item(self, status: str, include: Collection[str] = ()) -> Item:
        result = self.result
        if isinstance(result, TokenWantedError):
            result = ToolError("oauth_required", f"A token of {result.provider} is wanted.", done=False)
        told = {"type": self.tool.type, **self.tool.item(self.call, result), "status": status}
        if self.approval and self.tool.type == "mcp_call":
            told["approval_request_id"] = self.approval
        for kind, *path in _ASKED_FOR:
            if kind == self.tool.type and ".".join((kind, *path)) not in include:
                _leave_out(told, path)
        return _opaque(told, self.run)


def item(index: int, kind: str, about: Mapping[str, Any], *, run: ToolRun | None = None) -> OutputItem:
    """An item of the platform's that is whole at once."""
    return OutputItem(index, _opaque({"type": kind, **about}, run), done=True)


def listing(index: int, said: Mapping[str, Any]) -> list[OutputItem]:
    """What a source has to show of itself."""
    whole = _opaque(said, None)
    phase = "failed" if said.get("error") else "completed"
    return [OutputItem(index, whole, phase="in_progress"), OutputItem(index, whole, phase=phase, done=True)]


def token_item(
    index: int, wanted: TokenWantedError, about: Mapping[str, Any], *, run: ToolRun | None = None
) -> OutputItem:
    """The item that asks for a token of the user."""
    return item(index, TOKEN_WANTED, {"provider": wanted.provider, "url": wanted.url or None, **about}, run=run)


async def result_of(made: Made, errand: Errand, *, seconds: float = CALL_SECONDS) -> Result:
    """Makes the call; cancelling ends it at once."""
    try:
        async with asyncio.timeout(seconds):
            outcome = await made.tool.run(made.call, errand)
    except (ToolError, TokenWantedError) as failure:
        return failure
    except TimeoutError:
        return ToolError("tool_timeout", f"It took longer than {seconds:g} seconds.", done=None)
    except Exception:
        log.exception("the tool %s failed by a bug", made.call.name)
        return ToolError("tool_error", _BY_A_BUG, done=None)
    if len(outcome.output.encode()) > OUTPUT_BYTES:
        message = f"It answered with more than {OUTPUT_BYTES // 1024} kB. Ask for less."
        return ToolError("tool_response_too_large", message)
    return outcome


def _opaque(told: Mapping[str, Any], run: ToolRun | None) -> Item:
    kind = told["type"]
    opaque = Opaque(type=kind, json=json.dumps(told, ensure_ascii=False))
    return Item(id=f"{PREFIXES.get(kind, 'item')}_", opaque=opaque, run=run)


def _leave_out(told: dict[str, Any], path: list[str]) -> None:
    *outer, name = path
    for step in outer:
        inner = told.get(step)
        if not isinstance(inner, dict):
            return
        told[step] = told = dict(inner)
    told.pop(name, None)
