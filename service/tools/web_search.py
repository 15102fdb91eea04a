"""The tools `web_search` and `web_search_preview`: a search service that the operator names, and results to cite."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from nodexa.v1.tool_pb2 import FunctionTool

from service.errors import NodexaError
from service.settings import WebSearchSettings
from service.tools.egress import Answer, Egress
from service.tools.search_services import SERVICES, WORDS, Found, Query, Service, found
from service.tools.tool import Call, Errand, Opened, Outcome, Source, ToolError

TYPES: Final = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
NAME: Final = "web_search"
SECONDS: Final = 20.0
ANSWER_BYTES: Final = 4 * 1024 * 1024
MAX_DOMAINS: Final = 100
SIZES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"low": (3, 300), "medium": (6, 800), "high": (10, 2000)}
)
"""`search_context_size` → how many results, and how many characters of each."""
_PLACE: Final = ("city", "region", "country", "timezone")
_DOMAIN: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_WHAT: Final = (
    "Searches the web and returns what it found, numbered. Use it for what is recent, or what you are not sure of. "
    "Behind whatever you take from a result, put its number in brackets, like [1]."
)
_SCHEMA: Final = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": f"What to search for, at most {WORDS} characters."}},
    "required": ["query"],
    "additionalProperties": False,
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchEngine:
    """The operator's search service, ready to be asked: `key` reads its key anew for each search."""

    service: Service
    base_url: str
    key: Callable[[], str]
    egress: Egress

    async def search(self, query: Query) -> list[Found]:
        """Asks it. Raises ToolError in words that name neither its address nor its key."""
        ask = self.service.ask(self.base_url, self.key(), query)
        answer = await self.egress.fetch(
            ask.method, ask.url, headers=ask.headers, content=ask.body, seconds=SECONDS, most=ANSWER_BYTES
        )
        if answer.status != 200:
            raise _refused(answer)
        try:
            return found(self.service, answer.body, query)
        except ValueError:
            log.warning("the search service answered what is no result of a search; SearXNG needs the format json")
            raise ToolError("tool_error", "The search service answered nonsense.") from None


def search_engine(settings: WebSearchSettings, egress: Egress, environment: Mapping[str, str]) -> SearchEngine:
    """The engine that the settings name. Raises ValueError for a base URL that is none."""
    service = SERVICES[settings.kind]
    base_url = (settings.base_url or service.base_url).rstrip("/")

    def key() -> str:
        found_key = environment.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
        if settings.api_key_env and not (found_key and found_key.isascii() and found_key.isprintable()):
            log.warning("the environment variable %s holds no key for the search service", settings.api_key_env)
            raise ToolError("tool_error", "The search service is not set up rightly.", done=False)
        return found_key

    return SearchEngine(service, base_url, key, egress.beside(base_url))


class WebSearch:
    """The kind of all web searches."""

    def __init__(self, engine: SearchEngine) -> None:
        self._engine = engine

    async def check(self, tool: Mapping[str, Any], path: str, *, org_id: str, own: bool) -> None:
        _options(tool, path)

    def source(self, tool: Mapping[str, Any]) -> Source:
        return _Source(self._engine, _options(tool, ""))

    def hosted(self, tool: Mapping[str, Any]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Options:
    """What a request wants of its searches."""

    count: int
    length: int
    domains: Sequence[str]
    place: str


@dataclass(frozen=True, slots=True)
class _Source:
    engine: SearchEngine
    options: _Options

    @asynccontextmanager
    async def open(self, errand: Errand) -> AsyncIterator[Opened]:
        yield Opened([_Search(self.engine, self.options)])


@dataclass(frozen=True, slots=True)
class _Search:
    """One search. It changes nothing, so it may be made again."""

    engine: SearchEngine
    options: _Options
    type: str = "web_search_call"
    repeatable: bool = True
    approval: bool = False
    phases: Sequence[str] = ("in_progress", "searching")

    @property
    def shown(self) -> FunctionTool:
        near = f" The user is near {self.options.place}." if self.options.place else ""
        return FunctionTool(name=NAME, description=_WHAT + near, parameters_json=json.dumps(_SCHEMA))

    def item(self, call: Call, outcome: Outcome | ToolError | None) -> Mapping[str, Any]:
        words = _words(call)
        action: dict[str, Any] = {"type": "search", "query": words, "queries": [words] if words else []}
        if isinstance(outcome, Outcome):
            action["sources"] = outcome.shown["sources"]
        return {"action": action}

    async def run(self, call: Call, errand: Errand) -> Outcome:
        words = _words(call)
        if not words:
            raise ToolError("tool_error", "A search needs a query: some words of text.", done=False)
        results = await self.engine.search(Query(words, self.options.count, self.options.domains))
        told = [_told(result, errand, length=self.options.length) for result in results]
        shown = {"sources": [{"type": "url", "url": result.url} for result in results]}
        return Outcome("\n\n".join(told) or "Nothing was found.", shown)


def _words(call: Call) -> str:
    query = call.values.get("query")
    return " ".join(query.split()) if isinstance(query, str) else ""


def _told(result: Found, errand: Errand, *, length: int) -> str:
    number = errand.cite({"type": "url_citation", "url": result.url, "title": result.title})
    return f"[{number}] {result.title}\n{result.url}\n{result.text[:length]}".rstrip()


def _options(tool: Mapping[str, Any], path: str) -> _Options:
    """Raises NodexaError for an option that can't be; unknown ones are let through, as those of every tool."""
    size = tool.get("search_context_size") or "medium"
    if size not in SIZES:
        raise _wrong(f"The size is one of {', '.join(SIZES)}.", f"{path}.search_context_size")
    filters = tool.get("filters") or {}
    domains = filters.get("allowed_domains") or [] if isinstance(filters, Mapping) else None
    if not isinstance(domains, list) or len(domains) > MAX_DOMAINS or not all(map(_is_domain, domains)):
        message = f"allowed_domains are at most {MAX_DOMAINS} names like example.com, without https:// and paths."
        raise _wrong(message, f"{path}.filters.allowed_domains")
    place = tool.get("user_location") or {}
    parts = [place.get(name) or "" for name in _PLACE] if isinstance(place, Mapping) else [None]
    if not all(isinstance(part, str) and len(part) <= 100 and (part.isprintable()) for part in parts):
        raise _wrong("A location has city, region, country and timezone as short texts.", f"{path}.user_location")
    count, length = SIZES[size]
    return _Options(count, length, [domain.lower() for domain in domains], ", ".join(filter(None, parts)))


def _is_domain(domain: Any) -> bool:
    return isinstance(domain, str) and len(domain) <= 253 and _DOMAIN.fullmatch(domain.lower()) is not None


def _wrong(message: str, param: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=param)


def _refused(answer: Answer) -> ToolError:
    log.warning("the search service answered %d", answer.status)
    if answer.status == 429:
        return ToolError("tool_error", "The search service has too much to do. Try again later.")
    return ToolError("tool_error", f"The search service answered with the status {answer.status}.")
