"""What errors look like in the document: one schema, and for each status the codes that it comes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rest_bridge.errors import STATUS_OF, error_type
from rest_bridge.openapi.schema import Schema, nullable, of, ref, whole, word

_TYPES: Final = tuple(dict.fromkeys(error_type(code) for code in STATUS_OF))

SCHEMAS: Final[Mapping[str, Schema]] = {
    "ErrorObject": whole(
        {
            "message": of("string", "What is wrong and what to do, for people."),
            "type": word(*_TYPES),
            "param": nullable(of("string", "The field, header or query parameter at fault.")),
            "code": of("string", "What is wrong, for programs."),
        },
        "What went wrong.",
    ),
    "Error": whole({"error": ref("ErrorObject")}),
}

_RATES: Final[Mapping[str, tuple[str, Schema]]] = {
    "limit": ("In a minute. Absent where the key has no such limit.", of("integer", minimum=1)),
    "remaining": ("How many can be used now.", of("integer", minimum=0)),
    "reset": ("Until all are there again, as in 6m0s.", of("string")),
}
RATES: Final = tuple(f"x-ratelimit-{what}-{name}" for name in ("requests", "tokens") for what in _RATES)
"""How the limits of a key stand: on 429, and on answers to model work."""
HEADERS: Final[Mapping[str, Schema]] = {
    "x-request-id": {"description": "What to quote when something is wrong.", "schema": of("string")},
    "retry-after": {"description": "Seconds to wait before sending it again.", "schema": of("integer", minimum=1)},
    "x-should-retry": {
        "description": "false: sending it again can't help, or would pay twice. Absent: as the status says.",
        "schema": word("false"),
    },
    "www-authenticate": {"schema": of("string")},
    "location": {"schema": of("string")},
    **{name: {"description": _RATES[name.split("-")[2]][0], "schema": _RATES[name.split("-")[2]][1]} for name in RATES},
}
_ALSO: Final[Mapping[int, tuple[str, ...]]] = {
    401: ("www-authenticate",),
    429: ("retry-after", *RATES),
    503: ("retry-after",),
}


def codes_of(status: int) -> list[str]:
    """The error codes that this status comes with."""
    return [code for code, known in STATUS_OF.items() if known == status]


def responses() -> dict[str, Schema]:
    """One answer a status, by its component's name."""
    return {component(status): _response(status) for status in sorted(set(STATUS_OF.values()))}


def component(status: int) -> str:
    """What the answer of a status is called among the components."""
    return f"Error{status}"


def header_refs(*names: str) -> Schema:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _response(status: int) -> Schema:
    codes = codes_of(status)
    code = whole({"error": whole({"code": word(*codes)})})
    return {
        "description": f"{error_type(codes[0])}: {', '.join(f'`{code}`' for code in codes)}",
        "headers": header_refs("x-request-id", "x-should-retry", *_ALSO.get(status, ())),
        "content": {"application/json": {"schema": {"allOf": [ref("Error"), code]}}},
    }
