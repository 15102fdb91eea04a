"""The schemas of what is answered: responses, lists, models, counts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.request import METADATA
from rest_bridge.openapi.schema import Schema, constant, items, members, nullable, of, one_of, ref, whole, word
from rest_bridge.wire.response import STATUS_WORDS
from rest_bridge.wire.text import TRUNCATIONS

_TEXT: Final = of("string")
_COUNT: Final = of("integer", minimum=0)
_TIME: Final = of("integer", "Seconds since 1970.")
_MOMENT: Final = of("string", "UTC, with milliseconds.", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

_USAGE: Final = whole(
    {
        "input_tokens": _COUNT,
        "input_tokens_details": whole({"cached_tokens": _COUNT, "cache_write_tokens": _COUNT}),
        "output_tokens": _COUNT,
        "output_tokens_details": whole({"reasoning_tokens": _COUNT}),
        "total_tokens": _COUNT,
    },
    "As the model server or the model's own tokenizer counted.",
)
_FORMAT: Final = members(
    {"type": word("text", "json_object", "json_schema"), "name": _TEXT, "strict": nullable(of("boolean"))}, ("type",)
)
_NODEXA: Final = members(
    {
        "ignored": items(_TEXT, "Every field of the request that had no effect."),
        "truncated_items": of("integer", "How many of the oldest items truncation left out; absent for none."),
    },
    ("ignored",),
    "What only Nodexa says.",
)

RESPONSE: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "id": of("string", "resp_ and a UUID."),
        "object": constant("response"),
        "created_at": _TIME,
        "completed_at": nullable(_TIME),
        "status": word(*STATUS_WORDS.values(), says="requires_action: it waits for the outputs of its calls."),
        "error": nullable(ref("ErrorObject")),
        "incomplete_details": nullable(whole({"reason": of("string", "What cut it: a limit, or a filter.")})),
        "model": of("string", "The assistant."),
        "previous_response_id": nullable(_TEXT),
        "output": items(ref("Item"), "What the model made, in order."),
        "output_text": of("string", "All text of the model."),
        "usage": one_of(_USAGE, {"type": "null"}, says="Null until the end, and where nobody counted."),
        "instructions": nullable(_TEXT),
        "max_output_tokens": nullable(_COUNT),
        "max_tool_calls": nullable(of("integer")),
        "parallel_tool_calls": of("boolean"),
        "prompt_cache_key": nullable(_TEXT),
        "reasoning": whole({"effort": nullable(_TEXT), "summary": nullable(_TEXT)}),
        "safety_identifier": nullable(_TEXT),
        "service_tier": _TEXT,
        "store": of("boolean"),
        "background": of("boolean"),
        "temperature": of("number"),
        "top_p": of("number"),
        "top_logprobs": _COUNT,
        "presence_penalty": of("number"),
        "frequency_penalty": of("number"),
        "text": members({"format": _FORMAT, "verbosity": _TEXT}, ("format",)),
        "tool_choice": ref("ToolChoice"),
        "tools": items(ref("Tool")),
        "truncation": word(*TRUNCATIONS),
        "metadata": METADATA,
        "user": nullable(_TEXT),
        "conversation": nullable(whole({"id": _TEXT})),
        "nodexa": _NODEXA,
    }
)
"""Every member of a response; none is ever absent."""


def _list(schema: Schema) -> Schema:
    return whole(
        {
            "object": constant("list"),
            "data": items(schema),
            "first_id": _TEXT,
            "last_id": of("string", "The `after` of the next page; empty where this one is."),
            "has_more": of("boolean"),
        }
    )


SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "Response": whole(RESPONSE, "One turn of an assistant."),
        "ResponseList": _list(ref("Response")),
        "ItemList": _list(ref("Item")),
        "DeletedResponse": whole({"id": _TEXT, "object": constant("response"), "deleted": {"const": True}}),
        "InputTokens": whole({"object": constant("response.input_tokens"), "input_tokens": _COUNT, "nodexa": _NODEXA}),
        "Compaction": whole(
            {
                "id": _TEXT,
                "object": constant("response.compaction"),
                "created_at": _TIME,
                "output": items(ref("Item"), "What to send as input in place of the conversation."),
                "usage": nullable(_USAGE),
                "nodexa": _NODEXA,
            }
        ),
        "Conversation": members(
            {
                "id": of("string", "conv_ and a UUID."),
                "object": constant("conversation"),
                "created_at": _TIME,
                "metadata": METADATA,
                "nodexa": _NODEXA,
            },
            ("id", "object", "created_at", "metadata"),
            "Items in order that responses read and add to.",
        ),
        "DeletedConversation": whole(
            {"id": _TEXT, "object": constant("conversation.deleted"), "deleted": {"const": True}}
        ),
        "ClaimsSet": members({"count": _COUNT, "nodexa": _NODEXA}, ("count",)),
        "ClaimList": whole(
            {
                "claims": items(
                    whole({"claimKey": _TEXT, "claimValue": {}, "createdAt": _MOMENT, "updatedAt": _MOMENT}),
                    "In the order of their keys.",
                )
            }
        ),
        "MemoryList": whole(
            {
                "memories": items(
                    whole(
                        {
                            "id": of("string", "mem_ and a UUID."),
                            "text": _TEXT,
                            "assistantId": of("string", "The assistant that noted it, and that alone is told of it."),
                            "responseId": of("string", "The response in which it was noted."),
                            "createdAt": _MOMENT,
                        }
                    )
                )
            }
        ),
        "DeletedMemory": whole({"id": _TEXT, "deleted": {"const": True}}),
        "ChatConversations": items(
            whole(
                {
                    "id": of("string", "A UUID."),
                    "title": of("string", "The beginning of the first thing that the user said."),
                    "isActive": of("boolean", "Whether it can go on: its assistant is there."),
                    "createdAt": _MOMENT,
                    "updatedAt": _MOMENT,
                    "assistantId": nullable(of("string", "The assistant that answered last.")),
                }
            )
        ),
        "ChatMessages": items(
            whole(
                {
                    "id": _TEXT,
                    "role": word("user", "assistant"),
                    "content": of("string", "The text of it."),
                    "responseId": nullable(_TEXT),
                    "createdAt": nullable(_MOMENT),
                }
            )
        ),
        "DeletedClaim": whole({"claimKey": _TEXT, "deleted": {"const": True}}),
        "Model": whole(
            {
                "id": of("string", "asst_ and a UUID."),
                "object": constant("model"),
                "created": _TIME,
                "owned_by": _TEXT,
                "name": _TEXT,
            },
            "An assistant.",
        ),
        "ModelList": whole({"object": constant("list"), "data": items(ref("Model"))}),
        "Health": whole({"status": word("ok", "ready")}),
    }
)
"""The components of answers."""
