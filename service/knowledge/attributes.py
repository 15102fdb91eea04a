"""What is noted of files: between the contract's form and plain values. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, cast

from nodexa.v1.vector_store_pb2 import AttributeValue

from service.errors import NodexaError
from service.store.store_files import Attributes

MOST: Final = 16
KEY_LENGTH: Final = 64
TEXT_LENGTH: Final = 512


def read_attributes(given: Mapping[str, AttributeValue], path: str) -> Attributes:
    """The plain values. Raises NodexaError `invalid_request` that names `path`."""
    if len(given) > MOST:
        raise _wrong(path, f"takes at most {MOST} pairs")
    found: dict[str, str | float | bool] = {}
    for key, value in given.items():
        kind = value.WhichOneof("kind")
        if not 1 <= len(key) <= KEY_LENGTH or len(value.text) > TEXT_LENGTH:
            raise _wrong(path, f"has keys of 1 to {KEY_LENGTH} characters and texts of at most {TEXT_LENGTH}")
        if kind is None or not math.isfinite(value.number):
            raise _wrong(path, "has texts, numbers and booleans for values")
        found[key] = getattr(value, kind)
    return found


def show_attributes(attributes: Attributes) -> dict[str, AttributeValue]:
    """The contract's form."""
    return {key: _shown(value) for key, value in attributes.items()}


def _shown(value: object) -> AttributeValue:
    if isinstance(value, bool):
        return AttributeValue(flag=value)
    return AttributeValue(text=value) if isinstance(value, str) else AttributeValue(number=cast(float, value))


def _wrong(path: str, complaint: str) -> NodexaError:
    return NodexaError("invalid_request", f"{path} {complaint}.", param=path)
