"""What an MCP server answered to a call, as the text that a model reads; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from service.tools.tool import OUTPUT_BYTES, Outcome, ToolError

TOOL_ERROR = "mcp_tool_execution_error"
"""The code of a call that the tool itself says has failed."""


def outcome_of(result: Mapping[str, Any]) -> Outcome:
    """What came of a call; `result` is the protocol's `CallToolResult`.

    Raises ToolError: `mcp_tool_execution_error` for one that says it failed, `tool_response_too_large`.
    """
    text = "\n".join(_texts(result))
    if len(text.encode("utf-8", "replace")) > OUTPUT_BYTES:
        raise ToolError("tool_response_too_large", f"The tool answered with more than {OUTPUT_BYTES // 1024} kB.")
    if result.get("isError"):
        raise ToolError(TOOL_ERROR, text or "The tool failed, and did not say why.")
    return Outcome(text)


def _texts(result: Mapping[str, Any]) -> Iterable[str]:
    parts = [_part(part) for part in result.get("content") or ()]
    yield from parts
    structured = result.get("structuredContent")
    # Servers repeat it as text for clients that don't know it.
    if structured is not None and not any(_says(part, structured) for part in parts):
        yield json.dumps(structured, ensure_ascii=False)


def _says(text: str, structured: Any) -> bool:
    # A plain value is sent as {"result": value}.
    plain = structured["result"] if isinstance(structured, dict) and structured.keys() == {"result"} else structured
    if text == plain:
        return True
    try:
        return json.loads(text) in (structured, plain)
    except (ValueError, RecursionError):
        return False


def _part(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    if kind == "text":
        return str(part.get("text", ""))
    if kind in ("image", "audio"):
        return f"[{kind}: {part.get('mimeType', 'of unknown type')}, {_size(part.get('data'))}]"
    if kind == "resource_link":
        return f"[resource: {part.get('name', '')} {part.get('uri', '')}]"
    if kind == "resource":
        return _resource(part.get("resource") or {})
    return f"[{kind}]"


def _resource(resource: Mapping[str, Any]) -> str:
    head = f"[resource: {resource.get('uri', '')}"
    if isinstance(resource.get("text"), str):
        return f"{head}]\n{resource['text']}"
    return f"{head} {resource.get('mimeType', 'of unknown type')}, {_size(resource.get('blob'))}]"


def _size(base64_text: Any) -> str:
    return f"{len(str(base64_text or '')) * 3 // 4} bytes"
