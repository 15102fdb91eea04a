"""The tool `file_search`: the model asks, and reads the passages of the assistant's files that fit, to cite them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
from nodexa.v1.tool_pb2 import FunctionTool

from service.errors import NodexaError
from service.tools.tool import Call, Errand, Opened, Outcome, ToolError

NAME: Final = "file_search"
MOST_STORES: Final = 16
MOST_QUERIES: Final = 8
WEIGHTS: Final = ("embedding_weight", "text_weight")
RANKERS: Final = ("auto", "none", "default-2024-11-15")
"""What `ranker` may say. There is one here, which is all that `auto` asks for."""
PASSAGES_BYTES: Final = 128 * 1024
"""What the model is given to read of one search at most."""
_OURS: Final = re.compile(r"vs_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SAYS: Final = (
    "Searches the files that you were given. Ask in the words that the files would use; several short queries find "
    "more than a long one. Cite what you use by the number before it, like [1]."
)
_ARGUMENTS: Final = {
    "type": "object",
    "properties": {
        "queries": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MOST_QUERIES,
            "description": "What to look for.",
        }
    },
    "required": ["queries"],
    "additionalProperties": False,
}


class Passage(Protocol):
    """A passage that was found."""

    @property
    def file_id(self) -> str:
        """The file."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def score(self) -> float:
        """How well it fits, from 0 to 1."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is noted of the file."""

    @property
    def text(self) -> str:
        """The passage."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, and where. `filters` is the filter of the HTTP wire, None for all files.

    `hybrid` are the weights of the rankings by meaning and by words, None where nobody says.
    """

    store_ids: Sequence[str]
    queries: Sequence[str]
    filters: Any
    limit: int
    threshold: float
    hybrid: tuple[float, float] | None = None


Find = Callable[[Wanted, str], Awaitable[Sequence[Passage]]]
"""The passages that fit, of an organization. Raises NodexaError for a vector store that isn't there any more."""
Check = Callable[[Wanted, str, str], Awaitable[None]]
"""Raises NodexaError for what an organization can't ask for, its `param` under a path."""


class FileSearch:
    """All tools of the type `file_search`."""

    def __init__(self, *, find: Find, check: Check) -> None:
        self._find = find
        self._check = check

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        """Raises NodexaError for a tool that can't be, its `param` under `path`."""
        _expect_shape(tool, path)
        await self._check(_wanted(tool, []), path, org_id)

    def source(self, tool: Mapping[str, Any]) -> FileSearchSource:
        """The one tool that there is."""
        return FileSearchSource(tool, self._find)

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        """Whether the vector stores are another server's: ids of ours have a form of their own."""
        given = tool.get("vector_store_ids")
        return isinstance(given, list) and not any(_OURS.fullmatch(str(name)) for name in given)


class FileSearchSource:
    """Has one tool, and nothing to open."""

    def __init__(self, tool: Mapping[str, Any], find: Find) -> None:
        self._tool = FileSearchTool(tool, find)

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Opened]:
        """The tool."""
        yield Opened([self._tool])


class FileSearchTool:
    """Searches some vector stores."""

    type = "file_search_call"
    repeatable = True
    approval = False
    phases = ("in_progress", "searching")

    def __init__(self, tool: Mapping[str, Any], find: Find) -> None:
        self._described = tool
        self._find = find
        self.shown = FunctionTool(name=NAME, description=_SAYS, parameters_json=orjson.dumps(_ARGUMENTS).decode())

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        """What was asked, and what came of it; who may read that is not decided here."""
        shown: dict[str, Any] = {"queries": _queries(call), "results": None}
        return {**shown, **outcome.shown} if isinstance(outcome, Outcome) else shown

    async def run(self, call: Call, errand: Errand) -> Outcome:
        """The passages that fit, numbered by their files. Raises ToolError."""
        queries = _queries(call)
        if not queries:
            message = "Say what to look for: queries is a list of texts."
            raise ToolError("invalid_arguments", message, done=False)
        try:
            found = await self._find(_wanted(self._described, queries), errand.org_id)
        except NodexaError as error:
            raise ToolError(error.code, error.message, done=False) from error
        shown = [
            {
                "file_id": each.file_id,
                "filename": each.filename,
                "score": each.score,
                "attributes": dict(each.attributes),
                "text": each.text,
            }
            for each in found
        ]
        return Outcome(_told(found, errand), {"results": shown})


def unheeded(tool: Mapping[str, Any]) -> Iterator[str]:
    """The paths of what a tool asks for and doesn't get: the ranker of another platform."""
    ranking = tool.get("ranking_options")
    if isinstance(ranking, dict) and ranking.get("ranker") not in (None, "auto", "none"):
        yield "ranking_options.ranker"


def _told(found: Sequence[Passage], errand: Errand) -> str:
    """What the model reads: each passage under the number of its file."""
    if not found:
        return "Nothing was found. Other words may find more."
    told: list[str] = []
    room = PASSAGES_BYTES
    for each in found:
        source = {"type": "file_citation", "file_id": each.file_id, "filename": each.filename}
        text = f"[{errand.cite(source)}] {each.filename}\n{each.text}"
        room -= len(text.encode())
        if room < 0:
            break
        told.append(text)
    return "\n\n".join(told)


def _queries(call: Call) -> list[str]:
    given = call.values.get("queries", ())
    listed = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [query for query in listed if isinstance(query, str) and query.strip()][:MOST_QUERIES]


def _wanted(tool: Mapping[str, Any], queries: Sequence[str]) -> Wanted:
    ranking = tool.get("ranking_options") or {}
    hybrid = ranking.get("hybrid_search")
    return Wanted(
        store_ids=tool["vector_store_ids"],
        queries=queries,
        filters=tool.get("filters"),
        limit=tool.get("max_num_results") or 0,
        threshold=ranking.get("score_threshold") or 0,
        hybrid=(hybrid[WEIGHTS[0]], hybrid[WEIGHTS[1]]) if hybrid else None,
    )


def _expect_shape(tool: Mapping[str, Any], path: str) -> None:
    given = tool.get("vector_store_ids")
    if not isinstance(given, list) or not given:
        raise _wrong("missing_required_field", f"{path}.vector_store_ids", "is required: the vector stores to search")
    if len(given) > MOST_STORES or not all(isinstance(name, str) for name in given):
        raise _wrong("invalid_request", f"{path}.vector_store_ids", f"takes at most {MOST_STORES} ids")
    ranking = tool.get("ranking_options")
    if not isinstance(ranking, dict | None):
        raise _wrong("invalid_request", f"{path}.ranking_options", "must be an object")
    ranking = ranking or {}
    hybrid = ranking.get("hybrid_search")
    if hybrid is not None and (not isinstance(hybrid, dict) or any(hybrid.get(name) is None for name in WEIGHTS)):
        complaint = f"must be an object with {' and '.join(WEIGHTS)}"
        raise _wrong("invalid_request", f"{path}.ranking_options.hybrid_search", complaint)
    if ranking.get("ranker") not in (None, *RANKERS):
        raise _wrong("invalid_request", f"{path}.ranking_options.ranker", f"must be one of {', '.join(RANKERS)}")
    for name, value, kind in (
        ("max_num_results", tool.get("max_num_results"), int),
        ("ranking_options.score_threshold", ranking.get("score_threshold"), int | float),
        *((f"ranking_options.hybrid_search.{name}", hybrid[name], int | float) for name in WEIGHTS if hybrid),
    ):
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise _wrong("invalid_request", f"{path}.{name}", "must be a number")


def _wrong(code: str, param: str, complaint: str) -> NodexaError:
    return NodexaError(code, f"{param} {complaint}.", param=param)
