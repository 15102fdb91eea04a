"""A kind of tools that do as they are told: they succeed, fail, hang, want a token or an approval. No server behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import FunctionTool, Tool

from service.errors import NodexaError
from service.tools.tool import Call, Errand, Opened, Outcome, TokenWantedError, ToolError

LABEL: Final = "fake"
PROVIDER: Final = "drive"


@dataclass(slots=True)
class FakeTool:
    """`does` is what a call leads to: a text, an error to raise, or a gate to wait at before it says `opened`."""

    name: str
    does: str | Exception | asyncio.Event
    type: str = "mcp_call"
    repeatable: bool = True
    approval: bool = False
    description: str | None = None
    phases: Sequence[str] = ("in_progress",)
    provider: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    journal: Path | None = None
    calls: list[Call] = field(default_factory=list)
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: int = 0

    @property
    def shown(self) -> FunctionTool:
        return FunctionTool(name=self.name, description=self.description, parameters_json='{"type":"object"}')

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        if self.type == "web_search_call":
            sources = [{"type": "url", "url": "https://a.b/"}]
            return {"action": {"type": "search", "query": str(call.values.get("q", "")), "sources": sources}}
        return {
            "server_label": LABEL,
            "name": self.name,
            "arguments": call.arguments,
            "output": outcome.output if isinstance(outcome, Outcome) else None,
            "error": _error(outcome) if isinstance(outcome, ToolError) else None,
        }

    async def run(self, call: Call, errand: Errand) -> Outcome:
        self.calls.append(call)
        self.under_way.set()
        if self.journal is not None:
            with self.journal.open("a") as lines:
                lines.write(f"{self.name} {call.key}\n")
        if self.provider and not errand.tokens.of(self.provider):
            raise TokenWantedError(self.provider, url="https://drive.test/allow")
        if self.source:
            errand.cite(self.source)
        if isinstance(self.does, Exception):
            raise self.does
        if isinstance(self.does, asyncio.Event):
            try:
                await self.does.wait()
            except asyncio.CancelledError:
                self.stopped += 1
                raise
            return Outcome("opened")
        return Outcome(self.does)


class FakeKind:
    """All its tools come from one source, under one tool of a request; `opened` counts how often that was opened."""

    def __init__(self, *tools: FakeTool, wants: str = "", hosted: bool = False) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.opened = 0
        self.closed = 0
        self._wants = wants
        self._hosted = hosted

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        if tool.get("server_label") != LABEL:
            raise NodexaError("invalid_request", "The label is missing.", param=f"{path}.server_label")

    def source(self, tool: Mapping[str, Any]) -> FakeKind:
        return self

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Opened]:
        return self._open(errand)

    @asynccontextmanager
    async def _open(self, errand: Errand) -> AsyncIterator[Opened]:
        if self._wants and not errand.tokens.of(self._wants):
            raise TokenWantedError(self._wants)
        self.opened += 1
        listed = [
            {"name": tool.name, "input_schema": {"type": "object"}, "description": None, "annotations": None}
            for tool in self.tools.values()
        ]
        try:
            yield Opened(
                list(self.tools.values()),
                [{"type": "mcp_list_tools", "server_label": LABEL, "tools": listed, "error": None}],
            )
        finally:
            self.closed += 1

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        return self._hosted


def _error(failure: ToolError) -> Mapping[str, Any]:
    return {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": failure.message}]}


def fake_tool() -> Tool:
    """What a request says to get the tools of a FakeKind."""
    return Tool(opaque=Opaque(type="mcp", json=json.dumps(described())))


def described() -> dict[str, str]:
    """The same on the HTTP wire."""
    return {"type": "mcp", "server_label": LABEL, "server_url": "https://mcp.test/"}
