"""Files, both ways: the fields of the form that uploads one, and the object of the wire."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.file_pb2 import File
from nodexa.v1.file_service_pb2 import CreateFileRequest

from rest_bridge.errors import RequestError

PURPOSES: Final[Mapping[str, File.Purpose.ValueType]] = MappingProxyType(
    {
        "assistants": File.PURPOSE_ASSISTANTS,
        "user_data": File.PURPOSE_USER_DATA,
        "vision": File.PURPOSE_VISION,
    }
)
_WORDS: Final = {number: word for word, number in PURPOSES.items()}
_READ: Final = ("purpose", "expires_after[anchor]", "expires_after[seconds]")


def parse_file(fields: Mapping[str, str], filename: str | None) -> tuple[CreateFileRequest, list[str]]:
    """A new file without its bytes, and the fields without effect. Raises RequestError that names the field."""
    if filename is None:
        raise RequestError("missing_required_field", "file is required: the file to upload.", param="file")
    if not fields.get("purpose"):
        raise RequestError("missing_required_field", f"purpose is required: {_purposes()}.", param="purpose")
    request = CreateFileRequest(
        filename=filename, purpose=parse_purpose(fields["purpose"]), expires_after_seconds=_seconds(fields)
    )
    return request, [name[:64] for name in fields if name not in _READ]


def parse_purpose(word: str) -> File.Purpose.ValueType:
    """The purpose of that name. Raises RequestError."""
    if word not in PURPOSES:
        raise RequestError("invalid_request", f"purpose must be {_purposes()}.", param="purpose")
    return PURPOSES[word]


def render_file(file: File) -> dict[str, Any]:
    """The object of the wire."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": file.create_time.seconds,
        "expires_at": file.expire_time.seconds if file.HasField("expire_time") else None,
        "filename": file.filename,
        "purpose": _WORDS[file.purpose],
        "status": "processed",
        "status_details": None,
    }


def _seconds(fields: Mapping[str, str]) -> int:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return 0
    if anchor != "created_at":
        message = "expires_after[anchor] must be created_at."
        raise RequestError("invalid_request", message, param="expires_after[anchor]")
    if seconds is None or not (seconds.isascii() and seconds.isdigit() and 0 < len(seconds) < 10 and int(seconds)):
        message = "expires_after[seconds] must be a whole number from 3600 to 2592000."
        raise RequestError("invalid_request", message, param="expires_after[seconds]")
    return int(seconds)


def _purposes() -> str:
    return f"{', '.join(list(PURPOSES)[:-1])} or {list(PURPOSES)[-1]}"
