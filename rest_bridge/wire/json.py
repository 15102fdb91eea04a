"""Strict JSON in, one-line JSON out."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import orjson

from rest_bridge.errors import RequestError

MAX_DEPTH: Final = 64
MAX_INTEGER: Final = 2**63 - 1
_SHORT: Final = 4096


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises RequestError(invalid_request) for anything else, and for what parsers disagree about: duplicate keys, NaN and
    Infinity, numbers beyond 64 bits, lone surrogates, nesting deeper than MAX_DEPTH.
    """
    if len(body) <= _SHORT and (plain := _plain(body)) is not None:
        return plain
    if not body.strip():
        raise _refusal("The body is empty; send a JSON object.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise _refusal(f"The body is not valid UTF-8 (byte {error.start}).") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _refusal(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise _refusal("The body must be a JSON object.")
    # An honest shortcut: fewer brackets than levels can't be too deep. To count those of a long text takes longer.
    if len(body) > _SHORT or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    # A single character is found at once.
    if b"\\" in body and (b"\\ud" in body or b"\\uD" in body):
        _check_surrogates(value)
    return value


def _plain(body: bytes) -> dict[str, Any] | None:
    """The object where it has only texts, truth values and nulls in it, no key twice and no escapes. None for others.

    Each key and each text has two quotes then, so a key that stood there twice is missed by their number.
    """
    if b"\\" in body:
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(value) is not dict:
        return None
    quotes = 2 * len(value)
    for member in value.values():
        if type(member) is str:
            quotes += 2
        elif member is not None and type(member) is not bool:
            return None
    return value if body.count(b'"') == quotes else None


def dump(value: Any) -> bytes:
    """`value` as JSON on one line, whatever a reader takes for the end of a line."""
    return one_line(orjson.dumps(value))


def one_line(data: bytes) -> bytes:
    """JSON text without the three line ends beyond ASCII, at which some SSE readers split."""
    if data.isascii():
        return data
    for end, escape in _LINE_ENDS:
        data = data.replace(end, escape)
    return data


def parse_stored(text: str) -> Any:
    """The value of JSON text that was kept as text; None when it is empty or not JSON."""
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None


def _refusal(message: str) -> RequestError:
    return RequestError("invalid_request", message)


def _too_deep() -> RequestError:
    return _refusal(f"The body is nested too deeply; at most {MAX_DEPTH} levels.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = ascii(twice[:64])[1:-1]
        raise _refusal(f"The body has the key '{shown}' twice in one object.")
    return result


def _integer(text: str) -> int:
    # The length goes first: reading a number of a million digits is work.
    if len(text) > 20 or not -MAX_INTEGER - 1 <= (value := int(text)) <= MAX_INTEGER:
        raise _refusal("The body has an integer that needs more than 64 bits.")
    return value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _refusal("The body has a number that is too large.")
    return value


def _constant(word: str) -> NoReturn:
    raise _refusal(f"The body has {word}, which is not JSON.")


def _check_depth(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            member
            for container in level
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, (dict, list))
        ]
        if not level:
            return
    raise _too_deep()


def _check_surrogates(value: dict[str, Any]) -> None:
    try:
        orjson.dumps(value)
    except TypeError:
        raise _refusal("The body has half a surrogate pair (\\ud800 to \\udfff alone), which is no text.") from None


_LINE_ENDS: Final = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
