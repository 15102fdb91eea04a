"""What a client is told that not every client understands: Nodexa's own events, and the status `requires_action`."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

from nodexa.v1.response_pb2 import ResponseSettings

HEADER: Final = "x-nodexa-dialect"
"""In a request, what its sender wants; from the core, what the sender's key was made for."""


class Dialect(enum.Enum):
    """The events that a stream has. Both have every event of OpenAI's ladder."""

    OPENAI = "openai"
    NODEXA = "nodexa"


def dialect_of(headers: Mapping[str, str], told: Iterable[tuple[str, str | bytes]]) -> Dialect:
    """What a stream speaks: what its request asks for, else what the core has `told` of its key."""
    if not told and HEADER not in headers:  # As nearly always.
        return Dialect.OPENAI
    return Dialect(headers.get(HEADER) or dict(told).get(HEADER, Dialect.OPENAI.value))


def told_name(dialect: Dialect, name: str) -> str:
    """The name under which an event is told; empty where it is not told at all."""
    if dialect is Dialect.NODEXA:
        return "response.error" if name == "error" else name
    return "" if name in NODEXA_EVENTS else name


NODEXA_ITEMS: Final = frozenset({"oauth_required"})
"""Types of items that strict clients refuse. They stand at the end of an output, so leaving them out leaves no gap."""
NODEXA_EVENTS: Final = frozenset({"response.status"})
"""What strict clients refuse: left out of the dialect of OpenAI, which leaves a gap in the numbers."""


def hides_requires_action(headers: Mapping[str, str], settings: ResponseSettings) -> bool:
    """Whether this client would lose data by the status `requires_action`.

    The Node SDK's stream helper and its parsing of strict tools and schemas leave out what is not `completed`
    (openai-node 7.57, `parseResponse`; the helpers send the header). The first Python SDKs with responses take an event
    with a status that they don't know for one of another kind (openai-python 1.66.0 to 1.66.4, `construct_type`).
    `headers` have lowercase names.
    """
    if "x-stainless-helper-method" in headers:
        return True
    language = headers.get("x-stainless-lang")
    if language == "python":
        return headers.get("x-stainless-package-version", "").startswith("1.66.")
    if language != "js":
        return False
    return settings.text.format.HasField("json_schema") or any(tool.function.strict for tool in settings.tools.tools)
