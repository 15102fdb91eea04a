"""The schemas of tools and of the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rest_bridge.openapi.schema import Schema, constant, items, members, nullable, of, one_of, ref, tagged, word
from rest_bridge.wire.choice import MODES

_NAME: Final = of("string", pattern="^[a-zA-Z0-9_-]{1,64}$")
_SAYS: Final = nullable(of("string", "What it is for; the model reads it."))
_GRAMMAR: Final = members(
    {"type": constant("grammar"), "syntax": word("lark", "regex"), "definition": of("string")},
    ("type", "syntax", "definition"),
    "Told to the model, which nothing holds to it.",
)

TOOLS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "function": members(
            {
                "type": constant("function"),
                "name": _NAME,
                "description": _SAYS,
                "parameters": nullable(of("object", "A JSON Schema of the arguments.")),
                "strict": nullable(of("boolean", "Whether the arguments are held to the schema.")),
            },
            ("type", "name"),
            "A function that the client runs.",
        ),
        "custom": members(
            {
                "type": constant("custom"),
                "name": _NAME,
                "description": _SAYS,
                "format": nullable(one_of(members({"type": constant("text")}, ("type",)), _GRAMMAR)),
            },
            ("type", "name"),
            "A tool that the client runs, whose input is text.",
        ),
        "namespace": members(
            {"type": constant("namespace"), "name": _NAME, "description": _SAYS, "tools": items(ref("Tool"))},
            ("type", "name", "tools"),
            "Functions and custom tools under one name.",
        ),
    }
)
"""Every tool that models can be offered."""

_NAMED: Final = {"name": of("string"), "namespace": nullable(of("string"))}


def _named(*kinds: str) -> dict[str, Schema]:
    return {kind: members({"type": constant(kind), **_NAMED}, ("type", "name")) for kind in kinds}


SCHEMAS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "Tool": tagged(TOOLS, TOOLS, "A tool that the model may call."),
        "ToolChoice": one_of(
            word(*MODES),
            *_named("function", "custom").values(),
            members(
                {
                    "type": constant("allowed_tools"),
                    "mode": word("auto", "required"),
                    "tools": items(ref("AllowedTool"), minItems=1),
                },
                ("type", "mode", "tools"),
                "Hides all other tools from the model.",
            ),
            says="Whether the model calls a tool, and which.",
        ),
        "AllowedTool": tagged(
            _named("function", "custom", "namespace"), ("function", "custom", "namespace"), "One of the tools, by name."
        ),
    }
)
"""The components of tools."""
