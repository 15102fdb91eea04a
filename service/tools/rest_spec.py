"""What an administrator writes about a REST tool, read and checked. Pure; every refusal names the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from service.errors import NodexaError
from service.tools.tool import CALL_SECONDS

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
SAFE: Final = ("GET", "HEAD")
PLACES: Final = ("path", "query", "header", "body")
BODIES: Final = ("json", "form")
ENV_PREFIX: Final = "NODEXA_TOOL_"
"""How variables begin that a tool may name: an administrator of one organization must not read the core's others."""
SCHEMA_BYTES: Final = 256 * 1024
_PLACEHOLDER: Final = re.compile(r"\{([^{}/]*)\}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_ENV: Final = re.compile(rf"{ENV_PREFIX}[A-Z0-9_]+")
_OURS: Final = frozenset(
    {
        *("host", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "upgrade", "te"),
        *("trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection", "idempotency-key"),
    }
)
"""Headers that are the business of HTTP, or ours."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one argument goes, under the name `wire`; a `whole` one is the body itself."""

    argument: str
    where: str
    wire: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """A header of every call: a text, or `text` and behind it what an environment variable holds."""

    name: str
    text: str
    env: str = ""


@dataclass(frozen=True, slots=True)
class RestSpec:
    """A REST tool. `schema` is what the model is shown of its arguments; `provider` whose token is attached."""

    name: str
    description: str
    method: str
    url: str
    schema: Mapping[str, Any]
    places: Sequence[Place]
    headers: Sequence[Header]
    provider: str
    body: str
    safe: bool
    repeatable: bool
    approval: bool
    seconds: float


def read_spec(tool: Mapping[str, Any], path: str) -> RestSpec:
    """The tool that a JSON object describes. Raises NodexaError whose `param` is under `path`."""
    for field in tool.keys() - _FIELDS.keys() - {"type"}:
        raise _wrong(f"A rest tool has no field {field[:64]!r}.", path, field[:64])
    for field, (fits, what) in _FIELDS.items():
        if field in tool and not fits(tool[field]):
            code = "invalid_tool_name" if field == "name" else "invalid_request"
            raise _wrong(f"{field} is {what}.", path, field, code=code)
    for field in ("name", "url"):
        if field not in tool:
            raise _wrong(f"A rest tool needs a {field}.", path, field, code="missing_required_field")
    method = tool.get("method", "GET")
    safe = tool.get("safe", method in SAFE)
    provider = tool.get("provider", "")
    parameters = tool.get("parameters") or {}
    places = _places(parameters, tool["url"], method, path)
    return RestSpec(
        name=tool["name"],
        description=tool.get("description", ""),
        method=method,
        url=tool["url"],
        schema=_shown(parameters, path),
        places=places,
        headers=_headers(tool.get("headers") or {}, places, provider, path),
        provider=provider,
        body=tool.get("body", "json"),
        safe=safe,
        repeatable=tool.get("repeatable", safe),
        approval=tool.get("approval", not safe),
        seconds=float(tool.get("timeout_seconds", CALL_SECONDS)),
    )


def _places(parameters: Mapping[str, Any], url: str, method: str, path: str) -> list[Place]:
    properties = parameters.get("properties", {})
    if parameters.get("type", "object") != "object" or not isinstance(properties, dict):
        raise _wrong("parameters is a JSON Schema of an object with properties.", path, "parameters")
    named = _PLACEHOLDER.findall(_behind_host(url, path))
    places = [_place(name, value, named, method, f"{path}.parameters.properties") for name, value in properties.items()]
    in_path = {place.wire: place for place in places if place.where == "path"}
    required = parameters.get("required", ())
    for name in named:
        if name not in in_path or in_path[name].argument not in required:
            raise _wrong(f"{{{name}}} of the url must be a required property that goes into the path.", path, "url")
    if lost := in_path.keys() - set(named):
        raise _wrong(f"The url has no {{{min(lost)}}}, which a property goes into.", path, "url")
    bodies = [place for place in places if place.where == "body"]
    if bodies and method in SAFE:
        raise _wrong(f"A {method} has no body to put {bodies[0].argument!r} into.", path, "parameters")
    if len(bodies) > 1 and any(place.whole for place in bodies):
        raise _wrong("A property that is the whole body stands alone in it.", path, "parameters")
    return places


def _place(name: str, value: Any, named: Sequence[str], method: str, path: str) -> Place:
    if not isinstance(value, dict):
        raise _wrong("A property is a JSON Schema object.", path, name)
    wire = value.get("as", name)
    usual = "path" if wire in named else "query" if method in (*SAFE, "DELETE") else "body"
    where = value.get("in", usual)
    if where not in PLACES:
        raise _wrong(f"`in` is one of {', '.join(PLACES)}.", path, f"{name}.in")
    if not isinstance(wire, str) or not wire:
        raise _wrong("`as` is the name on the wire.", path, f"{name}.as")
    if where == "header" and not _is_header(wire):
        raise _wrong(f"{wire[:64]!r} is no header that a tool can set.", path, name)
    whole = value.get("whole", False)
    if not isinstance(whole, bool) or (whole and where != "body"):
        raise _wrong("`whole` is true for a property that is the whole body.", path, f"{name}.whole")
    return Place(name, where, wire, whole)


def _behind_host(url: str, path: str) -> str:
    """The path and query of a URL template: arguments never choose the host."""
    start = url.find("://") + 3
    ends = [place for mark in "/?#" if (place := url.find(mark, start)) >= 0]
    host, rest = url[: min(ends, default=len(url))], url[min(ends, default=len(url)) :]
    if "{" in host or "}" in host or "#" in rest:
        raise _wrong("A url has its {parameters} behind the host, and no fragment.", path, "url")
    query = rest.partition("?")[2]
    if "{" in query:
        raise _wrong("A parameter of the query is a property with `in`: query, not a part of the url.", path, "url")
    return rest


def _shown(parameters: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The schema without what only we read."""
    shown = dict(parameters) or {"type": "object", "properties": {}}
    shown["properties"] = {
        name: {word: told for word, told in value.items() if word not in ("in", "as", "whole")}
        for name, value in parameters.get("properties", {}).items()
    }
    if len(json.dumps(shown).encode()) > SCHEMA_BYTES:
        message = f"A schema has at most {SCHEMA_BYTES // 1024} kB."
        raise _wrong(message, path, "parameters", code="invalid_tool_schema")
    return shown


def _headers(headers: Mapping[str, Any], places: Sequence[Place], provider: str, path: str) -> list[Header]:
    taken = {place.wire.lower() for place in places if place.where == "header"} | (
        {"authorization"} if provider else set()
    )
    read = []
    for name, written in headers.items():
        if not _is_header(name) or name.lower() in taken:
            raise _wrong(f"The header {name[:64]!r} can't be set here.", path, "headers")
        value = {"prefix": written} if isinstance(written, str) else written
        if not isinstance(written, str) and not (
            isinstance(value, dict) and value.keys() <= {"env", "prefix"} and "env" in value
        ):
            raise _wrong('A header is a text, or {"env": "NAME", "prefix": "Bearer "}.', path, f"headers.{name}")
        prefix, env = value.get("prefix", ""), value.get("env", "")
        if not is_header_value(prefix):
            raise _wrong("The value of a header is printable ASCII.", path, f"headers.{name}")
        if "env" in value and not (isinstance(env, str) and _ENV.fullmatch(env)):
            raise _wrong(f"env names a variable of the core that begins with {ENV_PREFIX}.", path, f"headers.{name}")
        taken.add(name.lower())
        read.append(Header(name, prefix, env))
    return read


def is_header_value(value: Any) -> bool:
    """Whether a text can be sent as a header as it is."""
    return isinstance(value, str) and len(value) <= 8192 and value.isascii() and (value.isprintable() or not value)


def _is_header(name: Any) -> bool:
    return isinstance(name, str) and _HEADER.fullmatch(name) is not None and name.lower() not in _OURS


def _wrong(message: str, path: str, field: str, *, code: str = "invalid_request") -> NodexaError:
    return NodexaError(code, message, param=f"{path}.{field}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= CALL_SECONDS


_FIELDS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = MappingProxyType(
    {
        "name": (lambda value: _is_text(value) and bool(_NAME.fullmatch(value)), "1 to 64 of a-z A-Z 0-9 _ -"),
        "description": (_is_text, "a text for the model"),
        "method": (lambda value: value in METHODS, f"one of {', '.join(METHODS)}"),
        "url": (_is_text, "a URL, with its {parameters} in the path"),
        "parameters": (_is_object, "a JSON Schema"),
        "headers": (_is_object, "an object of headers"),
        "provider": (
            lambda value: _is_text(value) and 0 < len(value) <= 100,
            "the provider of the user's token, as in x-user-tokens",
        ),
        "body": (lambda value: value in BODIES, f"one of {', '.join(BODIES)}"),
        "safe": (_is_bool, "true or false"),
        "repeatable": (_is_bool, "true or false"),
        "approval": (_is_bool, "true or false"),
        "timeout_seconds": (_is_seconds, f"a number of seconds up to {CALL_SECONDS:g}"),
    }
)
"""Field → whether a value fits, and what it must be."""
