"""The setting `context_management`."""

from __future__ import annotations

from typing import Any, Final

from rest_bridge.wire import field, shape

_NAME: Final = "context_management"


def parse_context_management(value: Any, ignored: list[str]) -> int | None:
    """The `compact_threshold`; None where there is none. Raises errors.RequestError that names the entry at fault."""
    if not isinstance(value, list):
        raise shape.wrong(_NAME, "must be a list of entries", code="invalid_request")
    for index, entry in enumerate(value):
        path = f"{_NAME}[{index}]"
        word = field.members(path, entry).get("type")
        if word != "compaction":
            raise shape.wrong(f"{path}.type", "must be compaction", code="unsupported_parameter")
        if index:
            raise shape.wrong(path, "is one too many: give one entry of that type", code="invalid_request")
        shape.note_unread(entry, ("type", "compact_threshold"), path, ignored)
    threshold = value[0].get("compact_threshold") if value else None
    if value and threshold is None:
        ignored.append(f"{_NAME}[0]")
    return None if threshold is None else field.int32(f"{_NAME}[0].compact_threshold", threshold)
