"""The schemas of requests' bodies: each field of the bridge's own table, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.schema import Schema, constant, items, members, nullable, of, one_of, ref, word
from rest_bridge.wire.compaction import READ
from rest_bridge.wire.request import FIELDS, Field, Treatment
from rest_bridge.wire.text import TRUNCATIONS

_TEXT: Final = of("string")
_FLAG: Final = of("boolean")
_REQUIRED: Final = ("model", "input")
_ITEMS: Final = items(ref("InputItem"), maxItems=20)
_CLAIM: Final = members(
    {
        "claimKey": of("string", minLength=1, maxLength=255),
        "claimValue": {"description": "Any JSON value of at most 64 KB."},
    },
    ("claimKey", "claimValue"),
)
_INT32: Final = 2**31 - 1
_INT64: Final = 2**63 - 1


def _int(high: int) -> Schema:
    return of("integer", minimum=-high, maximum=high)


_FORMAT: Final = one_of(
    members({"type": word("text", "json_object")}, ("type",)),
    members(
        {
            "type": constant("json_schema"),
            "name": of("string", pattern="^[a-zA-Z0-9_-]{1,64}$"),
            "schema": of("object", "A JSON Schema."),
            "strict": nullable(_FLAG),
            "description": nullable(_TEXT),
        },
        ("type", "name", "schema"),
    ),
)
METADATA: Final = of(
    "object",
    maxProperties=16,
    propertyNames=of("string", minLength=1, maxLength=64),
    additionalProperties=of("string", maxLength=512),
)

PARAMETERS: Final[Mapping[str, tuple[str, Schema]]] = MappingProxyType(
    {
        "model": ("The assistant that answers.", of("string", examples=["asst_01920000-0000-7000-8000-000000000000"])),
        "input": ("What is said: a text, or a list of items.", one_of(_TEXT, items(ref("InputItem")))),
        "previous_response_id": ("The response that this one continues; its history stands before `input`.", _TEXT),
        "conversation": (
            "The conversation that this turn belongs to.",
            one_of(_TEXT, members({"id": _TEXT}, ("id",))),
        ),
        "instructions": ("Stand after the assistant's own, for this request only.", _TEXT),
        "stream": ("Whether the answer is its events, as they come.", _FLAG),
        "stream_options": ("Events are sent without padding, always.", of("object")),
        "store": ("Whether the response is kept. What isn't kept can't be fetched or continued.", _FLAG),
        "background": ("Whether the response goes on without a reader.", _FLAG),
        "tools": ("Left out: the assistant's own. A list: exactly these.", items(ref("Tool"), maxItems=128)),
        "tool_choice": ("Whether the model calls a tool, and which.", ref("ToolChoice")),
        "max_tool_calls": (
            "The most calls of tools that Nodexa or the model's server runs; yours don't count.",
            _int(_INT32),
        ),
        "parallel_tool_calls": ("Whether the model may call several tools at once.", _FLAG),
        "metadata": ("Kept with the response.", METADATA),
        "include": ("What the answer should hold beside the usual.", items(_TEXT)),
        "truncation": ("For a prompt that is too long. auto: its oldest turns are left out.", word(*TRUNCATIONS)),
        "temperature": ("How much chance there is.", of("number", minimum=0, maximum=2)),
        "top_p": ("Which share of the likely tokens is chosen from.", of("number", minimum=0, maximum=1)),
        "max_output_tokens": (
            "Where the answer is cut, as `incomplete`.",
            of("integer", minimum=1, maximum=10_000_000),
        ),
        "top_logprobs": ("How many likely tokens are told for each place.", of("integer", minimum=0, maximum=20)),
        "text": (
            "The form of the answer.",
            members({"format": nullable(_FORMAT), "verbosity": nullable(_TEXT)}),
        ),
        "reasoning": ("How the model thinks.", members({"effort": nullable(_TEXT), "summary": nullable(_TEXT)})),
        "stop": ("Texts at which the answer ends.", one_of(_TEXT, items(_TEXT, maxItems=4))),
        "seed": ("Makes chance repeatable, where the model can.", of("integer", minimum=-_INT64 - 1, maximum=_INT64)),
        "user": ("The end user, for the model server.", _TEXT),
        "safety_identifier": ("The end user, for the model server's abuse checks.", _TEXT),
        "prompt_cache_key": ("What requests with the same beginning share.", _TEXT),
        "service_tier": ("The model server's class of service.", _TEXT),
        "moderation": ("", {}),
        "image": ("", {}),
        "access_programs": ("", {}),
        "background_options": ("", {}),
        "context_management": (
            "When the history is compacted.",
            items(members({"type": constant("compaction"), "compact_threshold": nullable(_int(_INT32))}, ("type",))),
        ),
        "prompt_cache_options": ("", {}),
        "prompt_cache_retention": ("", {}),
        "prompt": ("", {}),
    }
)
"""What each field of the bridge's table means, and its schema where it has an effect. Null is as good as absent."""


def schemas() -> dict[str, Schema]:
    """The components of requests."""
    fields = {name: parameter(name, field) for name, field in FIELDS.items()}
    held = {name: fields[name] for name in FIELDS if name in READ}
    return {
        "CreateResponse": members(fields, _REQUIRED, "A request for a response. Unknown fields are noted too."),
        "CountInputTokens": members(
            fields | {"stream": {"enum": [None, False]}}, _REQUIRED, "A request for a response as it would be sent."
        ),
        "CompactResponse": members(
            held | {"input": nullable(held["input"]), "conversation": {"type": "null"}},
            ("model",),
            "What to make short: `input`, `previous_response_id` or both. Other fields of a request are noted.",
            anyOf=[_given("input"), _given("previous_response_id")],
        ),
        "NewConversation": members({"items": nullable(_ITEMS), "metadata": nullable(METADATA)}),
        "ConversationUpdate": members({"metadata": nullable(METADATA)}, ("metadata",), "Replaces all metadata."),
        "NewItems": members({"items": _ITEMS}, ("items",)),
        "NewClaims": members({"claims": items(_CLAIM, maxItems=50)}, ("claims",)),
    }


def _given(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def told(treatment: Treatment) -> str:
    """What becomes of a field or header, as a sentence."""
    return f"**{treatment.name.capitalize()}**: {treatment.value}."


def parameter(name: str, field: Field) -> Schema:
    """One field with its treatment."""
    says, schema = PARAMETERS.get(name, ("", {}))
    treatment = field.treatment
    advice = f" Instead: {field.instead}." if field.instead else ""
    described = f"{says} {told(treatment)}{advice}".strip()
    return {
        **_allowed(schema, treatment, required=name in _REQUIRED),
        "description": described,
        "x-nodexa-treatment": treatment.name.lower(),
    }


def _allowed(schema: Schema, treatment: Treatment, *, required: bool) -> Schema:
    if treatment is Treatment.REFUSED:
        return {"type": "null"}
    if treatment is Treatment.NOTED or not schema:
        return {}
    return schema if required else nullable(schema)
