"""One method of one path, as the document describes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

JSON, EVENTS, HTML = "application/json", "text/event-stream", "text/html"
FORM, BYTES = "multipart/form-data", "application/octet-stream"


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `parameters` are names of parameter.PARAMETERS, `body` (of the type `media`) and the values of `answer` (by media
    type) are schemas among the components. `refusals` are the statuses of errors beside those that every operation
    has. `needs_key` is False where anybody may call, and `limited` True where a key's limits hold. `of_user` is True
    where the end user has to be named.
    """

    id: str
    tag: str
    summary: str
    says: str = ""
    parameters: tuple[str, ...] = ()
    body: str = ""
    media: str = JSON
    answer: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: int = 200
    refusals: tuple[int, ...] = ()
    needs_key: bool = True
    limited: bool = False
    of_user: bool = False


RESPONSES, CONVERSATIONS, USERS, MODELS, SERVER = "Responses", "Conversations", "Users", "Models", "Server"
BODY: Final = (408, 413, 415)
"""What can be wrong with any body."""
