"""Which call a piece of a tool call belongs to, for servers that number, repeat or name them in many ways; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from service.model.chunk import ToolCallDelta


@dataclass(slots=True)
class _Call:
    """A call as far as it came. `name` is empty until the server said it; pieces wait in `arguments` till then."""

    index: int
    name: str = ""
    id: str = ""
    arguments: list[str] = field(default_factory=list)


class ToolCalls:
    """The calls of one turn, numbered in the order in which they appeared."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def add(self, entry: Mapping[str, Any]) -> ToolCallDelta | None:
        """Returns what an entry of `tool_calls` adds; None when that is nothing yet. Raises ValueError on nonsense."""
        function = entry.get("function") or {}
        name, call_id = _word(function.get("name")), _word(entry.get("id"))
        arguments = _arguments(function.get("arguments"))
        call = self._find(entry.get("index"), call_id, name)
        call.arguments.append(arguments)
        if call.name:
            return ToolCallDelta(index=call.index, arguments=arguments) if arguments else None
        call.id = call.id or call_id
        if not name:
            return None
        call.name = name
        # Some servers give all calls of a turn one id: the runner then gives the second its own.
        known = any(other.id == call.id for other in self._calls if other is not call)
        whole = "".join(call.arguments)
        return ToolCallDelta(index=call.index, name=name, call_id="" if known else call.id, arguments=whole)

    def check(self) -> None:
        """Raises ValueError when a call never got its name."""
        if any(not call.name for call in self._calls):
            raise ValueError("a call has no name")

    def _find(self, index: object, call_id: str, name: str) -> _Call:
        if isinstance(index, int):
            call = self._by_index.get(index)
            # Some servers number every call 0; a second name under a second id can only be another call.
            if call is None or (name and call.name and call_id and call.id and call_id != call.id):
                call = self._by_index[index] = self._new()
            return call
        return self._find_unnumbered(call_id, name)

    def _find_unnumbered(self, call_id: str, name: str) -> _Call:
        if call_id and (same := [call for call in self._calls if call.id == call_id]):
            return same[-1]
        last = self._calls[-1] if self._calls else None
        if last is None:
            if not name and not call_id:
                raise ValueError("a call without a name, id and index")
            return self._new()
        if call_id or (name and (name != last.name or _whole(last.arguments))):
            return self._new()
        return last

    def _new(self) -> _Call:
        call = _Call(index=len(self._calls))
        self._calls.append(call)
        return call


def _word(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise ValueError("a name or id that is no text")


def _arguments(value: object) -> str:
    """Returns the arguments as text; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    raise ValueError("arguments that are neither text nor an object")


def _whole(pieces: list[str]) -> bool:
    try:
        orjson.loads("".join(pieces))
    except ValueError:
        return False
    return True
