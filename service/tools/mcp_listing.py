"""What an MCP server offers, and for how long that is believed. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodexa.v1.tool_pb2 import FunctionTool

from service.tools.tool import ToolError

KEPT_MS: Final = 5 * 60_000
"""How long a list is believed unless its server says that it changed, or asks for less."""
MOST_LISTS: Final = 1024
MOST_TOOLS: Final = 128
MOST_BYTES: Final = 1024 * 1024
MAX_NAME: Final = 64
"""What model servers take as the name of a function."""
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True)
class Listed:
    """One tool as its server describes it; `schema` and `annotations` are JSON text, the latter empty for none."""

    name: str
    description: str
    schema: str
    annotations: str = ""

    @property
    def digest(self) -> str:
        """The same as long as the definition is."""
        whole = json.dumps([self.name, self.description, self.schema, self.annotations])
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def hints(self) -> Mapping[str, Any]:
        """What the server says that a call does."""
        found = json.loads(self.annotations) if self.annotations else {}
        return found if isinstance(found, dict) else {}

    @property
    def read_only(self) -> bool:
        """Whether a call changes nothing, says its server."""
        return self.hints.get("readOnlyHint") is True

    @property
    def repeatable(self) -> bool:
        """Whether a second call does no more than the first, says its server."""
        return self.read_only or self.hints.get("idempotentHint") is True

    def shown(self, label: str, about: str) -> FunctionTool:
        """The function that a model is shown; `about` is what its server is for."""
        description = "\n\n".join(filter(None, (about, self.description))) or None
        return FunctionTool(name=shown_name(label, self.name), description=description, parameters_json=self.schema)

    def item(self) -> dict[str, Any]:
        """The tool in an `mcp_list_tools` item."""
        return {
            "name": self.name,
            "description": self.description or None,
            "input_schema": json.loads(self.schema),
            "annotations": json.loads(self.annotations) if self.annotations else None,
        }


@dataclass(frozen=True, slots=True)
class Listing:
    """All tools of a server. `way` is how it was reached, for the next time; `lasts_ms` is how long to believe it."""

    tools: Sequence[Listed]
    way: object = None
    lasts_ms: int = KEPT_MS


class Listings:
    """The lists that are still believed, the newest MOST_LISTS of them. `clock` is in milliseconds."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[int, Listing]] = OrderedDict()

    def get(self, key: Hashable) -> Listing | None:
        """The list of a server, if it is still believed."""
        until, listing = self._kept.get(key, (0, None))
        if listing is None or until <= self._clock():
            self._kept.pop(key, None)
            return None
        return listing

    def keep(self, key: Hashable, listing: Listing) -> None:
        """Believes a list from now on."""
        self._kept[key] = (self._clock() + min(listing.lasts_ms, KEPT_MS), listing)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_LISTS:
            self._kept.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """Believes a list no more: its server said that it changed."""
        self._kept.pop(key, None)


def listed(tools: Iterable[Mapping[str, Any]]) -> list[Listed]:
    """The tools of the protocol's `tools/list` result. Raises ToolError for more than a model could be shown."""
    found = [
        Listed(
            name=tool["name"],
            description=tool.get("description") or "",
            schema=json.dumps(tool.get("inputSchema") or {}, ensure_ascii=False),
            annotations=json.dumps(tool["annotations"], ensure_ascii=False) if tool.get("annotations") else "",
        )
        for tool in tools
    ]
    size = sum(len(tool.description) + len(tool.schema) for tool in found)
    if size > MOST_BYTES:
        raise ToolError(
            "tool_error", f"The MCP server's list of tools is longer than {MOST_BYTES // 1024} kB.", done=False
        )
    if len({tool.name for tool in found}) < len(found):
        raise ToolError("tool_error", "Two tools of the MCP server have the same name.", done=False)
    return found


def shown_name(label: str, name: str) -> str:
    """The name under which a model knows a tool of a server; one that can't be used as it is ends in a digest."""
    whole = f"{label}__{name}"
    plain = "".join(letter if letter in _PLAIN else "_" for letter in whole)
    if plain == whole and len(whole) <= MAX_NAME:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: MAX_NAME - len(digest) - 1]}_{digest}"
