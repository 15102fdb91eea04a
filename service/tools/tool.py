"""What a tool is to the runner: a call that the model made goes in, what came of it comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from nodexa.v1.tool_pb2 import FunctionTool

OUTPUT_BYTES: Final = 256 * 1024
"""What a model is told of one call at most; more is `tool_response_too_large`."""
CALL_SECONDS: Final = 60.0
"""How long one call may take unless its tool says otherwise; longer is `tool_timeout`."""


class UserTokens:
    """The tokens that a request brought for tools which act for its user, by provider. Never written down anywhere."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = dict(tokens)

    def of(self, provider: str) -> str:
        """The token of one provider; empty where none came."""
        return self._tokens.get(provider, "")

    def __repr__(self) -> str:
        return f"UserTokens({', '.join(sorted(self._tokens))})"


@dataclass(slots=True)
class Errand:
    """For whom tools work, and what they cite: one for each response. Empty text means none.

    With `anew` sources say what tools they have now, not what they had a while ago: somebody approved of a call.
    """

    org_id: str
    assistant_id: str
    user_id: str
    response_id: str
    tokens: UserTokens
    anew: bool = False
    cited: list[Mapping[str, str]] = field(default_factory=list)

    def cite(self, source: Mapping[str, str]) -> int:
        """The number under which the model can cite a source: `[1]` in its text becomes an annotation.

        A source is an annotation as on the HTTP wire, without its place in the text.
        """
        if source not in self.cited:
            self.cited.append(source)
        return self.cited.index(source) + 1


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the model made.

    `arguments` is what it wrote, and `values` the JSON object which that is. `key` is the same when the call is made
    again after a crash, and no other's: what a server needs to do it only once.
    """

    name: str
    arguments: str
    values: Mapping[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. `output` is what the model reads; `shown` are more members of the item on the wire."""

    output: str
    shown: Mapping[str, Any] = field(default_factory=dict)


class ToolError(Exception):
    """The call failed, and the model is told so. `code` is for programs: `tool_timeout`, `tool_error`, …

    The message names what failed and never what was secret in it. `done` is False where it is sure that nothing
    happened, None where nobody knows.
    """

    def __init__(self, code: str, message: str, *, done: bool | None = True) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.done = done


class TokenWantedError(Exception):
    """The tool acts for the user, and has no token of `provider`, or one that is refused.

    `url` is where the user can give the right to it, empty where nobody said.
    """

    def __init__(self, provider: str, *, url: str = "") -> None:
        super().__init__(f"a token of {provider} is wanted")
        self.provider = provider
        self.url = url


class Tool(Protocol):
    """One thing that a model can call and the platform does."""

    @property
    def shown(self) -> FunctionTool:
        """The function that the model is shown. Names are unique among all the tools of a response."""

    @property
    def type(self) -> str:
        """The `type` word of the items that tell of its calls: `mcp_call`, `web_search_call`; empty for none."""

    @property
    def repeatable(self) -> bool:
        """Whether a call may be made again when nobody knows if it was done."""

    @property
    def approval(self) -> bool:
        """Whether somebody has to approve of each call."""

    @property
    def phases(self) -> Sequence[str]:
        """The steps told before a call is over, as in `response.<type>.<phase>`."""

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        """The item of a call on the HTTP wire, without id, type and status; None while the call is under way."""

    async def run(self, call: Call, errand: Errand) -> Outcome:
        """Does it. Cancelling ends it at once. Raises ToolError and TokenWantedError."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The tools of a source, and the items to show before all else: JSON objects of the HTTP wire, without ids."""

    tools: Sequence[Tool]
    items: Sequence[Mapping[str, Any]] = ()


class Source(Protocol):
    """Where tools come from: an MCP server, a REST service, a search."""

    def open(self, errand: Errand) -> AbstractAsyncContextManager[Opened]:
        """Its tools, which work until the context ends. Raises TokenWantedError; a server that fails gives no tools."""


class Kind(Protocol):
    """All tools of one `type` word."""

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        """Raises NodexaError for a tool that can't be, its `param` under `path`.

        `tool` is the JSON object of the HTTP wire; `own` says that an administrator wrote it, for an assistant.
        """

    def source(self, tool: Mapping[str, Any]) -> Source:
        """Where the tools that it describes come from."""

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        """Whether a model server that runs such tools itself is left to do it."""
