"""What is kept and shown of a response's settings: all but the secrets that its tools carry to their servers."""

from __future__ import annotations

import json
from typing import Any, Final

from nodexa.v1.response_pb2 import ResponseSettings

MASK: Final = "[redacted]"


def shown(settings: ResponseSettings) -> ResponseSettings:
    """The settings with the values of every tool's `authorization` and `headers` masked; themselves without any."""
    masked = {
        place: json.dumps(_masked(tool), ensure_ascii=False)
        for place, tool in _opaque(settings)
        if tool.get("authorization") or tool.get("headers")
    }
    if not masked:
        return settings
    copy = ResponseSettings()
    copy.CopyFrom(settings)
    for place, text in masked.items():
        copy.tools.tools[place].opaque.json = text
    return copy


def lacks_secrets(settings: ResponseSettings) -> bool:
    """Whether settings that were kept can't be used again, because a secret of a tool is gone."""
    return any(
        tool == _masked(tool) for _, tool in _opaque(settings) if tool.get("authorization") or tool.get("headers")
    )


def _opaque(settings: ResponseSettings) -> list[tuple[int, dict[str, Any]]]:
    return [
        (place, json.loads(tool.opaque.json))
        for place, tool in enumerate(settings.tools.tools)
        if tool.HasField("opaque")
    ]


def _masked(tool: dict[str, Any]) -> dict[str, Any]:
    masked = dict(tool)
    if tool.get("authorization"):
        masked["authorization"] = MASK
    if headers := tool.get("headers"):
        masked["headers"] = dict.fromkeys(headers, MASK) if isinstance(headers, dict) else {}
    return masked
