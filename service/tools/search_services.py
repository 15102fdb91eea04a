"""How each search service is asked, and what its answer says: one entry of a table each. No I/O."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

WORDS: Final = 400
"""How many characters of a query are asked for; Brave takes no more."""
_SITES: Final = 8
_TITLE: Final = 200
_URL: Final = 2000
_TAG: Final = re.compile(r"<[^<>]{0,200}>")


@dataclass(frozen=True, slots=True)
class Query:
    """What to search for. `domains` are the only ones wanted; none means all."""

    words: str
    count: int
    domains: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a service."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A result: a page and what it says about the query."""

    url: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of search service. `base_url` is empty where everybody runs their own."""

    base_url: str
    ask: Callable[[str, str, Query], Ask]
    """Base URL, key, query."""
    results: Callable[[Any], Iterable[Mapping[str, Any]]]
    """From the JSON of an answer. May raise LookupError, TypeError and AttributeError over another shape."""
    text: Sequence[str]
    """The members of a result that are its text, the best first."""


def found(service: Service, body: bytes, query: Query) -> list[Found]:
    """The results in an answer: no page twice, none of another domain than wanted. Raises ValueError for nonsense."""
    try:
        results = [_found(service, result) for result in service.results(json.loads(body))]
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("another shape") from error
    once: dict[str, Found] = {}
    for result in results:
        if result and _wanted(result.url, query.domains):
            once.setdefault(result.url, result)
    return list(once.values())[: query.count]


def _found(service: Service, result: Mapping[str, Any]) -> Found | None:
    url = result["url"]
    if not isinstance(url, str) or not url.startswith(("http://", "https://")) or len(url) > _URL:
        return None
    text = next((_plain(result[name]) for name in service.text if result.get(name)), "")
    return Found(url, _plain(result.get("title") or "")[:_TITLE] or url, text)


def _plain(value: Any) -> str:
    text = " ".join(value) if isinstance(value, list) else str(value)
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def _wanted(url: str, domains: Sequence[str]) -> bool:
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    return not domains or any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _words(query: Query) -> str:
    """The query with its domains, as most search engines read them."""
    if not query.domains:
        return query.words[:WORDS]
    sites = " OR ".join(f"site:{domain}" for domain in query.domains[:_SITES])
    return f"{query.words[: WORDS // 2]} {sites if len(query.domains) == 1 else f'({sites})'}"


def _ask_searxng(base_url: str, key: str, query: Query) -> Ask:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return Ask("GET", f"{base_url}/search?{urlencode({'q': _words(query), 'format': 'json'})}", headers)


def _ask_brave(base_url: str, key: str, query: Query) -> Ask:
    # With domains some of the results fall away here.
    count = 20 if query.domains else query.count
    asked = {"q": _words(query), "count": count, "text_decorations": "false", "result_filter": "web"}
    headers = {"accept": "application/json", "x-subscription-token": key}
    return Ask("GET", f"{base_url}/web/search?{urlencode(asked)}", headers)


def _ask_tavily(base_url: str, key: str, query: Query) -> Ask:
    asked: dict[str, Any] = {"query": query.words[:WORDS], "max_results": query.count}
    if query.domains:
        asked["include_domains"] = list(query.domains)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    return Ask("POST", f"{base_url}/search", headers, json.dumps(asked).encode())


def _web_results(answer: Any) -> Iterator[Mapping[str, Any]]:
    yield from answer.get("web", {}).get("results", ())


SERVICES: Final[Mapping[str, Service]] = MappingProxyType(
    {
        "searxng": Service("", _ask_searxng, lambda answer: answer["results"], ("content",)),
        "brave": Service(
            "https://api.search.brave.com/res/v1", _ask_brave, _web_results, ("extra_snippets", "description")
        ),
        "tavily": Service("https://api.tavily.com", _ask_tavily, lambda answer: answer["results"], ("content",)),
    }
)
"""`kind` of [web_search] in nodexa.toml → how to ask it."""
