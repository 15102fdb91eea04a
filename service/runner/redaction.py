"""What is kept and shown of a response's settings: all but the secrets that its tools carry to their servers."""

from __future__ import annotations

import json
from typing import Any, Final

from nodexa.v1.response_pb2 import ResponseSettings

from service.tools.toolbox import OWN_ONLY

MASK: Final = "[redacted]"


def shown(settings: ResponseSettings) -> ResponseSettings:
    """The settings with the values of every tool's `authorization` and `headers` masked, and without the tools that are
    an administrator's business; themselves where there is neither.
    """
    masked = {
        place: json.dumps(_masked(tool), ensure_ascii=False)
        for place, tool in _opaque(settings)
        if tool.get("authorization") or tool.get("headers")
    }
    hidden = [place for place, tool in enumerate(settings.tools.tools) if tool.opaque.type in OWN_ONLY]
    if not masked and not hidden:
        return settings
    copy = ResponseSettings()
    copy.CopyFrom(settings)
    for place, text in masked.items():
        copy.tools.tools[place].opaque.json = text
    for place in reversed(hidden):
        del copy.tools.tools[place]
    return copy


def lacks_secrets(settings: ResponseSettings) -> bool:
    """Whether settings that were kept can't be used again, because a secret of a tool is gone.

    The assistant's own tools are looked up anew.
    """
    return not settings.own_tools and any(
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
