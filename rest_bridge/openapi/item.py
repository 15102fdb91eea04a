"""The schemas of items and content parts, as they are sent and as they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.schema import (
    Schema,
    constant,
    items,
    members,
    nullable,
    of,
    one_of,
    ref,
    tagged,
    without,
    word,
)
from rest_bridge.wire.item import ROLES, STATUSES

_TEXT: Final = of("string")
_STATUS: Final = word(*STATUSES)
_NAMESPACE: Final = nullable(of("string", "The namespace that the tool stands in."))


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of item or part: what a client must send of `properties`, and what it is always shown."""

    says: str
    properties: Mapping[str, Schema]
    sent: tuple[str, ...]
    shown: tuple[str, ...]


def _kind(says: str, *needed: str, shown: tuple[str, ...] = (), **properties: Schema) -> Kind:
    return Kind(says, properties, needed, (*needed, *shown))


PARTS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "input_text": _kind("Text of the user.", "text", text=_TEXT),
        "input_image": _kind(
            "An image: either `image_url` or `file_id`.",
            shown=("detail",),
            image_url=nullable(of("string", "An https: or data: URL.")),
            file_id=nullable(of("string", "An uploaded image.")),
            detail=nullable(of("string", "low, high or auto.")),
        ),
        "input_file": _kind(
            "A file: one of `file_id`, `file_data` and `file_url`.",
            file_id=nullable(of("string", "An uploaded file.")),
            file_data=nullable(of("string", "A data: URL.")),
            file_url=nullable(of("string", "An https: URL.")),
            filename=nullable(_TEXT),
        ),
        "output_text": _kind(
            "Text of the model.",
            "text",
            shown=("annotations", "logprobs"),
            text=_TEXT,
            annotations=nullable(items(of("object"), "Citations and file references.")),
            logprobs=nullable(items(ref("TokenLogprob"))),
        ),
        "refusal": _kind("What the model says where it refuses.", "refusal", refusal=_TEXT),
        "reasoning_text": _kind("What the model thought.", "text", text=_TEXT),
        "summary_text": _kind("A part of a summary of what the model thought.", "text", text=_TEXT),
    }
)
"""Every content part that is known here."""

_OUTPUT: Final = one_of(_TEXT, items(ref("ContentPart")), says="A text (JSON as text, where it is JSON) or parts.")
_CALL_ID: Final = of("string", "Which call this is, or is the output of.", minLength=1)

ITEMS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "message": _kind(
            "Something said.",
            "role",
            "content",
            role=word(*ROLES),
            content=one_of(_TEXT, items(ref("ContentPart"))),
            phase=nullable(_TEXT),
        ),
        "function_call": _kind(
            "The model calls a function of the client.",
            "call_id",
            "name",
            "arguments",
            call_id=_CALL_ID,
            name=_TEXT,
            arguments=of("string", "A JSON object as text."),
            namespace=_NAMESPACE,
        ),
        "function_call_output": _kind(
            "What the function returned.", "call_id", "output", call_id=_CALL_ID, output=_OUTPUT
        ),
        "custom_tool_call": _kind(
            "The model calls a custom tool of the client.",
            "call_id",
            "name",
            "input",
            call_id=_CALL_ID,
            name=_TEXT,
            input=_TEXT,
            namespace=_NAMESPACE,
        ),
        "custom_tool_call_output": _kind(
            "What the custom tool returned.", "call_id", "output", call_id=_CALL_ID, output=_OUTPUT
        ),
        "reasoning": _kind(
            "What the model thought.",
            shown=("summary",),
            summary=nullable(items(ref("ContentPart"))),
            content=nullable(items(ref("ContentPart"))),
            encrypted_content=nullable(of("string", "The same, sealed, for the server alone.")),
        ),
        "item_reference": _kind("An item that a model wrote in one of the caller's stored responses.", "id"),
        "compaction": _kind(
            "What a conversation was compacted to, for the server alone.",
            "encrypted_content",
            encrypted_content=_TEXT,
        ),
    }
)
"""Every item that is known here."""
_SOURCES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"input_file": ("file_id", "file_data", "file_url"), "input_image": ("file_id", "image_url")}
)
"""Members of which there is exactly one."""
_BARE: Final = frozenset({"item_reference", "compaction"})


def _sent_item(name: str, kind: Kind) -> Schema:
    head = {"type": constant(name), "id": nullable(_TEXT), "status": nullable(_STATUS)}
    if "id" in kind.sent:
        head["id"] = _TEXT
    return members({**head, **kind.properties}, ("type", *kind.sent), kind.says)


def _shown_item(name: str, kind: Kind) -> Schema:
    head = {"type": constant(name), "id": _TEXT} | ({} if name in _BARE else {"status": _STATUS})
    properties = dict(kind.properties)
    if name == "message":
        properties["content"] = items(ref("ContentPart"))
    return members(head | properties, (*head, *(word for word in kind.shown if word not in head)), kind.says)


def _part(name: str, kind: Kind) -> Schema:
    schema = members({"type": constant(name), **kind.properties}, ("type", *kind.sent), kind.says)
    sources = _SOURCES.get(name, ())
    return schema | {"anyOf": [_given(source, sources) for source in sources]} if sources else schema


def _given(name: str, sources: Sequence[str]) -> Schema:
    others: dict[str, Schema] = {other: {"enum": ["", None]} for other in sources if other != name}
    return members({name: of("string", minLength=1), **others}, (name,))


def _short_message() -> Schema:
    kind = ITEMS["message"]
    properties = {"type": {"type": "null"}, "id": nullable(_TEXT), "status": nullable(_STATUS), **kind.properties}
    return members(properties, kind.sent, "A message; its type may be left out.")


def _short_reference() -> Schema:
    return members({"id": _TEXT}, ("id",), "A reference; its type may be left out.", additionalProperties=False)


_LOGPROB: Final = {
    "token": _TEXT,
    "logprob": of("number"),
    "bytes": nullable(items(of("integer", minimum=0, maximum=255))),
}

SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "TokenLogprob": members(
            {**_LOGPROB, "top_logprobs": nullable(items(ref("TokenLogprob")))}, ("token", "logprob")
        ),
        "ContentPart": tagged(
            {name: _part(name, kind) for name, kind in PARTS.items()}, PARTS, "A part of what an item says."
        ),
        "InputItem": one_of(
            *(_sent_item(name, kind) for name, kind in ITEMS.items()),
            _short_message(),
            _short_reference(),
            ref("OpaqueItem"),
            says="An item as it may be sent.",
        ),
        "Item": one_of(
            *(_shown_item(name, kind) for name, kind in ITEMS.items()),
            ref("OpaqueItem"),
            says="An item as it is shown.",
        ),
        "OpaqueItem": members(
            {"type": without(*ITEMS), "id": nullable(_TEXT)},
            ("type",),
            "An item of another type: kept as it is.",
        ),
    }
)
"""The components of items."""
