"""The tools that the platform runs, by kind: which they are, whether they can be, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.tool_pb2 import Tool

from service.errors import NodexaError
from service.tools.tool import Kind, Source

OWN_ONLY: Final = frozenset({"rest"})
"""The kinds that an administrator gives an assistant, and that no request can bring."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One of the tools of a response that the platform runs: its place among them, what describes it, its source."""

    place: int
    tool: Mapping[str, Any]
    source: Source


class Toolbox:
    """Knows the kinds by the `type` words of their tools; kinds that aren't in it nobody runs, or a model's server."""

    def __init__(self, kinds: Mapping[str, Kind] | None = None) -> None:
        self._kinds = dict(kinds or {})

    def runs(self, tool: Tool, *, hosted: bool) -> bool:
        """Whether the platform runs a tool; `hosted` says that the model's server runs tools too."""
        kind = self._kinds.get(tool.opaque.type)
        return kind is not None and not (hosted and kind.hosted(_described(tool)))

    async def check(self, tools: Sequence[Tool], *, org_id: str, own: bool, hosted: bool, path: str = "tools") -> None:
        """Raises NodexaError for the first tool that can't be; `own` says that an administrator wrote them.

        What is left to the model's server, as `hosted` says, that server judges.
        """
        for index, tool in enumerate(tools):
            if not tool.HasField("opaque"):
                continue
            if tool.opaque.type in OWN_ONLY and not own:
                raise NodexaError(
                    "invalid_request",
                    f"Tools of type {tool.opaque.type!r} can't come with a request: an administrator gives them to an "
                    "assistant.",
                    param=f"{path}[{index}]",
                )
            kind = self._kinds.get(tool.opaque.type)
            if kind is not None and self.runs(tool, hosted=hosted):
                await kind.check(_described(tool), f"{path}[{index}]", org_id=org_id, own=own)

    def wanted(self, tools: Sequence[Tool], *, hosted: bool) -> list[Wanted]:
        """What the platform has to open for a response with these tools, in their order."""
        return [
            Wanted(place, described, self._kinds[tool.opaque.type].source(described))
            for place, tool in enumerate(tools)
            if tool.HasField("opaque") and self.runs(tool, hosted=hosted)
            for described in (_described(tool),)
        ]


def _described(tool: Tool) -> Mapping[str, Any]:
    described: Mapping[str, Any] = json.loads(tool.opaque.json)
    return described
