"""A call of a REST tool, put together from what the model wrote. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from service.tools.rest_spec import Place, RestSpec, is_header_value
from service.tools.tool import ToolError

_UP: Final = frozenset({".", ".."})
_CONTENT_TYPES: Final[Mapping[str, str]] = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class RestRequest:
    """What goes over the wire, but for the headers that hold secrets."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def rest_request(spec: RestSpec, values: Mapping[str, Any], *, key: str) -> RestRequest:
    """The request of one call; `key` goes along where it isn't safe. Raises ToolError for arguments that can't go."""
    if unknown := values.keys() - {place.argument for place in spec.places}:
        raise _wrong(f"It has no argument {min(unknown)[:64]!r}.")
    given = [(place, values[place.argument]) for place in spec.places if values.get(place.argument) is not None]
    missing = {place.argument for place in spec.places if place.where == "path"} - {
        place.argument for place, _ in given
    }
    if missing:
        raise _wrong(f"The argument {min(missing)!r} is missing.")
    headers = {place.wire: _header(place, value) for place, value in given if place.where == "header"}
    if not spec.safe:
        headers["Idempotency-Key"] = key
    body = _body(spec, [(place, value) for place, value in given if place.where == "body"])
    if body is not None:
        headers["Content-Type"] = _CONTENT_TYPES[spec.body]
    return RestRequest(spec.method, _url(spec, given), headers, body)


def _url(spec: RestSpec, given: Sequence[tuple[Place, Any]]) -> str:
    before, mark, fixed = spec.url.partition("?")
    for place, value in given:
        if place.where == "path":
            before = before.replace(f"{{{place.wire}}}", _segment(place, value))
    path = before.split("://", 1)[1].partition("/")[2]
    if any(not _UP.isdisjoint(re.split(r"[/\\]", unquote(segment))) for segment in path.split("/")):
        raise _wrong("An argument would lead to another path.")
    pairs = [pair for place, value in given if place.where == "query" for pair in _pairs(place, value)]
    asked = "&".join(part for part in (fixed, urlencode(pairs)) if part)
    return f"{before}?{asked}" if asked else before + mark


def _segment(place: Place, value: Any) -> str:
    text = _text(place, value)
    if not text:
        raise _wrong(f"The argument {place.argument!r} can't be empty.")
    return quote(text, safe="")


def _pairs(place: Place, value: Any) -> Iterator[tuple[str, str]]:
    for each in value if isinstance(value, list) else [value]:
        yield place.wire, _text(place, each)


def _header(place: Place, value: Any) -> str:
    text = _text(place, value)
    if not is_header_value(text):
        raise _wrong(f"The argument {place.argument!r} goes into a header: it can only be printable ASCII.")
    return text


def _text(place: Place, value: Any) -> str:
    """A value as URLs and headers write it."""
    if isinstance(value, dict | list) or value is None:
        raise _wrong(f"The argument {place.argument!r} must be a text, a number or a boolean.")
    text = value if isinstance(value, str) else json.dumps(value)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _wrong(f"The argument {place.argument!r} is not Unicode.")
    return text


def _body(spec: RestSpec, given: Sequence[tuple[Place, Any]]) -> bytes | None:
    if not given:
        return None
    if given[0][0].whole and spec.body == "json":
        return json.dumps(given[0][1]).encode()
    if spec.body == "json":
        return json.dumps({place.wire: value for place, value in given}).encode()
    fields = [pair for place, value in given for pair in _fields(place, value)]
    return urlencode(fields).encode()


def _fields(place: Place, value: Any) -> Iterator[tuple[str, str]]:
    if place.whole and isinstance(value, dict):
        for name, each in value.items():
            yield name, _text(place, each)
    else:
        yield from _pairs(place, value)


def _wrong(message: str) -> ToolError:
    return ToolError("tool_error", message, done=False)
