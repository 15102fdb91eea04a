"""The tool by which an assistant notes what it should know of its user in later conversations. No item shows it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

from nodexa.v1.tool_pb2 import FunctionTool

from service.tools.tool import Call, Errand, Opened, Outcome, ToolError

NAME: Final = "save_to_memory"
MAX_TEXT: Final = 1000
"""Characters of one memory."""
_DESCRIPTION: Final = (
    "Notes one lasting fact about the user, such as their name, what they prefer or what they work on, to know it "
    "in later conversations. Call it when they tell you such a fact or ask you to remember something. Never note "
    "secrets, nor what only matters now."
)
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "The fact in one sentence: The user's name is Ada."}},
    "required": ["text"],
    "additionalProperties": False,
}

Save = Callable[[Errand, str], Awaitable[bool]]
"""Keeps a text for the errand's user and assistant; whether it is new."""


class SaveToMemory:
    """The tool; what it notes, `save` keeps."""

    type = ""
    repeatable = True
    approval = False
    phases: Sequence[str] = ()

    def __init__(self, save: Save) -> None:
        self._save = save

    @property
    def shown(self) -> FunctionTool:
        """The function that the model is shown."""
        return FunctionTool(name=NAME, description=_DESCRIPTION, parameters_json=json.dumps(_PARAMETERS))

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        """Nothing: it is between the assistant and itself."""
        return {}

    async def run(self, call: Call, errand: Errand) -> Outcome:
        """Notes it. Raises ToolError for what can't be noted."""
        text = call.values.get("text")
        if not isinstance(text, str) or not text.strip():
            raise ToolError("tool_error", "Give the fact as the text `text`.", done=False)
        if len(text) > MAX_TEXT:
            raise ToolError("tool_error", f"A fact has at most {MAX_TEXT} characters: say it shorter.", done=False)
        return Outcome("Noted." if await self._save(errand, text.strip()) else "That is known already.")


class MemorySource:
    """Where the tool comes from: it is always there."""

    def __init__(self, save: Save) -> None:
        self._tool = SaveToMemory(save)

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Opened]:
        """The one tool."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[Opened, None]:
        yield Opened([self._tool])
