"""How the processes of Nodexa write their log: one JSON object a line, on standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

_SECRET: Final = re.compile(r"nxk_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+")


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message"}`, and `audit` with its fields where an administrator did something.

    Keys and tokens are masked wherever they stand.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _SECRET.sub("[secret]", record.getMessage()),
        }
        audit: Mapping[str, str] = getattr(record, "audit", {})
        if audit:
            line["audit"] = {name: _SECRET.sub("[secret]", text) for name, text in audit.items()}
        if record.exc_info:
            line["exception"] = _SECRET.sub("[secret]", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def write_to_stderr(level: int = logging.INFO) -> None:
    """Sends everything that is logged to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
