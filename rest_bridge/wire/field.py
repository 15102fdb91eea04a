"""Single values of the request body; each is checked for its type and refused by its name."""

from __future__ import annotations

from typing import Any, Final

from rest_bridge.wire import shape

_INT32: Final = 2**31 - 1


def text(name: str, value: Any, *, code: str = "invalid_request") -> str:
    """A text."""
    if not isinstance(value, str):
        raise shape.wrong(name, "must be a text", code=code)
    return value


def boolean(name: str, value: Any) -> bool:
    """True or false; the words in quotes are texts and refused."""
    if not isinstance(value, bool):
        raise shape.wrong(name, "must be true or false", code="invalid_request")
    return value


def number(name: str, value: Any) -> float:
    """A number, with or without a fraction."""
    if type(value) not in (int, float):
        raise shape.wrong(name, "must be a number", code="invalid_request")
    return float(value)


def integer(name: str, value: Any) -> int:
    """A whole number of at most 64 bits, as all are that came through the parser."""
    if type(value) is not int:
        raise shape.wrong(name, "must be a whole number", code="invalid_request")
    return value


def int32(name: str, value: Any) -> int:
    """A whole number that the contract has 32 bits for."""
    if not -_INT32 <= integer(name, value) <= _INT32:
        raise shape.wrong(name, "is out of range", code="invalid_request")
    return int(value)


def texts(name: str, value: Any) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
        raise shape.wrong(name, "must be a list of texts", code="invalid_request")
    return value


def notes(name: str, value: Any) -> dict[str, str]:
    """An object whose members are texts."""
    return {key: text(f"{name}.{key[:64]}", note) for key, note in members(name, value).items()}


def members(name: str, value: Any) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise shape.wrong(name, "must be an object", code="invalid_request")
    return value
