"""What a Responses server wants to see again with its thinking, as one text to keep; pure.

The server holds an item's id against what it encrypted, so both are kept together, with the server that they are from:
no other can read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

WORD: Final = "openai_responses:"


@dataclass(frozen=True, slots=True)
class Kept:
    """The item's id on the server, and its encrypted thinking; empty where there was none."""

    id: str
    encrypted_content: str = ""


def keep(kept: Kept, *, server: str) -> str:
    """Returns the text to keep; `server` is the base URL of the one that wrote it."""
    return WORD + orjson.dumps({"server": server, "id": kept.id, "encrypted": kept.encrypted_content}).decode()


def find(text: str, *, server: str) -> Kept | None:
    """Returns what `server` wrote; None where it was somebody else."""
    if not text.startswith(WORD):
        return None
    try:
        value = orjson.loads(text.removeprefix(WORD))
        return Kept(value["id"], value["encrypted"]) if value["server"] == server else None
    except (ValueError, LookupError, TypeError):
        return None
