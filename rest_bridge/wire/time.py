"""Times as Nodexa's own endpoints write them."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp


def milliseconds(time: Timestamp) -> str:
    """ISO 8601 in UTC with milliseconds, as in `2026-01-31T12:00:00.000Z`."""
    return f"{time.ToDatetime().isoformat(timespec='milliseconds')}Z"
