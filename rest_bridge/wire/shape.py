"""Small questions about the shape of parsed JSON; each refuses with the path of the field at fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rest_bridge.errors import RequestError


def wrong(path: str, complaint: str, *, code: str = "invalid_input_type") -> RequestError:
    """The refusal of a field: its path, then what is wrong with it."""
    return RequestError(code, f"{path} {complaint}.", param=path)


def tagged(value: object, path: str) -> dict[str, Any]:
    """`value` as an object that has a `type` word."""
    if not isinstance(value, dict):
        raise wrong(path, "must be an object")
    if not isinstance(value.get("type"), str) or not value["type"]:
        raise wrong(path, 'needs a type word, for example "type": "input_text"')
    return value


def text(value: Mapping[str, Any], name: str, path: str) -> str:
    """A required text."""
    found = value.get(name)
    if not isinstance(found, str):
        raise wrong(f"{path}.{name}", "must be a text" if found is not None else "is required: a text")
    return found


def optional_text(value: Mapping[str, Any], name: str, path: str) -> str | None:
    """A text, or None where it is absent or null."""
    return None if value.get(name) is None else text(value, name, path)


def number(value: Mapping[str, Any], name: str, path: str) -> float:
    """A required number."""
    found = value.get(name)
    if type(found) not in (int, float):
        raise wrong(f"{path}.{name}", "must be a number")
    return float(found)  # type: ignore[arg-type]


def objects(value: Mapping[str, Any], name: str, path: str) -> list[dict[str, Any]]:
    """A list of objects; an empty one where it is absent or null."""
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(member, dict) for member in found):
        raise wrong(f"{path}.{name}", "must be a list of objects")
    return found


def note_unread(value: Mapping[str, Any], read: Collection[str], path: str, ignored: list[str]) -> None:
    """Adds to `ignored` the path of each member that nobody reads; null says nothing, so it is not noted."""
    for name, member in value.items():
        if name not in read and member is not None:
            ignored.append(f"{path}.{name}" if path else name)
