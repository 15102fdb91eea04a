"""Web searches: what the services are asked, what the model reads of their answers, and what can be cited of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from openai.types.responses import ResponseFunctionWebSearch

from service.errors import NodexaError
from service.settings import SEARCH_SERVICES, WebSearchSettings
from service.tools.addresses import Allowance
from service.tools.citations import citations
from service.tools.egress import Egress
from service.tools.search_services import SERVICES
from service.tools.tool import Call, Errand, Outcome, Tool, ToolError, UserTokens
from service.tools.web_search import MAX_DOMAINS, WebSearch, search_engine
from tests.fakes.web_server import Page, WebServer, shows

KEY = "canary-search-key"
PAGES = [
    {"url": "https://a.example/one", "title": "One &amp; <b>only</b>", "content": "First\n  text " + "x" * 3000},
    {"url": "https://www.b.example/two", "title": "Two", "content": "Second <strong>text</strong>"},
    {"url": "https://a.example/one", "title": "One again", "content": "the same page"},
    {"url": "javascript:alert(1)", "title": "Bad", "content": "no page"},
    {"url": "https://evilb.example/", "title": "", "content": ""},
]
BRAVE = [{**{k: v for k, v in page.items() if k != "content"}, "description": page["content"]} for page in PAGES]


@dataclass(slots=True)
class Search:
    """A search tool, opened, and whom it works for."""

    tool: Tool
    errand: Errand

    async def run(self, query: object = "what is new", **values: Any) -> Outcome:
        return await self.tool.run(call(query=query, **values), self.errand)


def call(**values: Any) -> Call:
    return Call("web_search", "{}", values, "key")


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    async with WebServer() as server:
        server.pages["/search"] = shows({"results": PAGES})
        server.pages["/web/search"] = shows({"web": {"results": BRAVE}})
        yield server


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def opened(
    stack: AsyncExitStack,
    web: WebServer,
    kind: str = "searxng",
    *,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Search:
    """The tool of a request with these options, with a search service that stands on this machine."""
    settings = WebSearchSettings(kind, base_url=web.url, api_key_env="" if kind == "searxng" else "SEARCH_KEY")
    egress = Egress(Allowance())
    engine = search_engine(settings, egress, {"SEARCH_KEY": KEY} if environment is None else environment)
    stack.push_async_callback(engine.egress.close)
    errand = Errand("org", "asst", "", "resp", UserTokens({}))
    source = WebSearch(engine).source({"type": "web_search", **options})
    [tool] = (await stack.enter_async_context(source.open(errand))).tools
    return Search(tool, errand)


@pytest.mark.parametrize("kind", SERVICES)
async def test_every_service_is_asked_and_read(stack: AsyncExitStack, web: WebServer, kind: str) -> None:
    search = await opened(stack, web, kind)

    outcome = await search.run()

    assert outcome.output.startswith("[1] One & only\nhttps://a.example/one\nFirst text x")
    assert "[2] Two\nhttps://www.b.example/two\nSecond text" in outcome.output
    assert "javascript" not in outcome.output
    assert outcome.output.endswith("[3] https://evilb.example/\nhttps://evilb.example/")
    assert (KEY in str(web.asked[0])) == (kind != "searxng")
    asked = web.asked[0].json["query"] if kind == "tavily" else parse_qs(urlsplit(web.asked[0].target).query)["q"][0]
    assert asked == "what is new"


async def test_what_was_found_can_be_cited(stack: AsyncExitStack, web: WebServer) -> None:
    search = await opened(stack, web)

    await search.run()
    again = await search.run("the same once more")

    text = "It is so [2]."
    [annotation] = citations(text, search.errand.cited)
    assert (annotation["url"], annotation["title"]) == ("https://www.b.example/two", "Two")
    assert text[annotation["start_index"] : annotation["end_index"]] == "[2]"
    assert again.output.startswith("[1] One")


async def test_the_item_is_one_of_openais(stack: AsyncExitStack, web: WebServer) -> None:
    search = await opened(stack, web)
    asked = call(query="what is new")
    outcome = await search.tool.run(asked, search.errand)

    for came, sources in ((None, None), (ToolError("tool_error", "x"), None), (outcome, 3)):
        item = ResponseFunctionWebSearch.model_validate(
            {"id": "ws_1", "type": search.tool.type, "status": "completed", **search.tool.item(asked, came)}
        )
        assert item.action.type == "search"
        assert item.action.query == "what is new"
        assert (item.action.sources and len(item.action.sources)) == sources
    assert list(search.tool.phases) == ["in_progress", "searching"]
    assert search.tool.repeatable
    assert not search.tool.approval


async def test_only_allowed_domains_are_shown(stack: AsyncExitStack, web: WebServer) -> None:
    search = await opened(stack, web, filters={"allowed_domains": ["B.example"]})

    outcome = await search.run()

    assert outcome.output.startswith("[1] Two\n")
    assert "[2]" not in outcome.output
    assert "site%3Ab.example" in web.asked[0].target


async def test_tavily_is_told_the_domains(stack: AsyncExitStack, web: WebServer) -> None:
    search = await opened(stack, web, "tavily", filters={"allowed_domains": ["a.example", "b.example"]})

    await search.run()

    assert web.asked[0].json["include_domains"] == ["a.example", "b.example"]


async def test_the_context_size_says_how_much_is_read(stack: AsyncExitStack, web: WebServer) -> None:
    lengths = [
        len((await (await opened(stack, web, search_context_size=size)).run()).output)
        for size in ("low", "medium", "high")
    ]

    assert lengths == sorted(lengths)
    assert lengths[0] + 1500 < lengths[2]


async def test_the_model_is_told_where_the_user_is(stack: AsyncExitStack, web: WebServer) -> None:
    place = {"type": "approximate", "city": "Berlin", "country": "DE", "timezone": None}
    near = await opened(stack, web, user_location=place)
    anywhere = await opened(stack, web, user_location=None)

    assert near.tool.shown.description.endswith("The user is near Berlin, DE.")
    assert "near" not in anywhere.tool.shown.description


async def test_nothing_found_is_said(stack: AsyncExitStack, web: WebServer) -> None:
    web.pages["/search"] = shows({"results": []})

    assert (await (await opened(stack, web)).run()).output == "Nothing was found."


@pytest.mark.parametrize("query", [None, "", "  ", 3, ["a"]])
async def test_a_search_needs_words(stack: AsyncExitStack, web: WebServer, query: object) -> None:
    search = await opened(stack, web)

    with pytest.raises(ToolError, match="needs a query") as failed:
        await search.run(query)

    assert (failed.value.done, web.asked) == (False, [])
    assert search.tool.item(call(query=query), failed.value)["action"]["query"] == ""


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(b"<html>", 200), "answered nonsense"),
        (shows([]), "answered nonsense"),
        (shows({"results": [1]}), "answered nonsense"),
        (shows({"results": [{"title": "no url"}]}), "answered nonsense"),
        (shows({"detail": "canary"}, 403), "with the status 403"),
        (shows({}, 429), "too much to do"),
        (Page(raw=b"garbage\r\n\r\n"), "connection broke"),
    ],
)
async def test_a_service_that_fails_is_told_without_its_words(
    stack: AsyncExitStack, web: WebServer, page: Page, said: str
) -> None:
    web.pages["/search"] = page
    search = await opened(stack, web)

    with pytest.raises(ToolError, match=said) as failed:
        await search.run()

    assert failed.value.code == "tool_error"
    assert "canary" not in failed.value.message
    assert str(web.port) not in failed.value.message


@pytest.mark.parametrize("key", ["", "  ", "schlüssel"])
async def test_without_its_key_a_service_is_not_asked(stack: AsyncExitStack, web: WebServer, key: str) -> None:
    search = await opened(stack, web, "brave", environment={"SEARCH_KEY": key})

    with pytest.raises(ToolError, match="not set up rightly"):
        await search.run()

    assert web.asked == []


WRONG = {
    "search_context_size": ("huge", 3),
    "filters.allowed_domains": ("a.example", ["https://a.example"], ["a.example/path"], [3], ["a"] * (MAX_DOMAINS + 1)),
    "user_location": ("Berlin", {"city": 3}, {"city": "x" * 101}, {"city": "a\nb"}),
}


@pytest.mark.parametrize("field", WRONG)
async def test_an_option_that_can_not_be_is_named(web: WebServer, field: str) -> None:
    engine = search_engine(WebSearchSettings("searxng", base_url=web.url), Egress(Allowance()), {})
    for value in WRONG[field]:
        first, _, rest = field.partition(".")
        tool = {"type": "web_search", first: {rest: value} if rest else value}
        with pytest.raises(NodexaError) as refused:
            await WebSearch(engine).check(tool, "tools[1]", org_id="org", own=False)
        assert (refused.value.code, refused.value.param) == ("invalid_request", f"tools[1].{field}")


async def test_what_openais_tool_may_say_is_accepted(web: WebServer) -> None:
    kind = WebSearch(search_engine(WebSearchSettings("searxng", base_url=web.url), Egress(Allowance()), {}))
    for tool in (
        {"type": "web_search"},
        {"type": "web_search", "external_web_access": False, "filters": None, "user_location": {"type": "approximate"}},
        {"type": "web_search_2025_08_26", "filters": {"allowed_domains": None}, "search_context_size": None},
        {"type": "web_search_preview", "search_content_types": ["text", "image"], "search_context_size": "high"},
    ):
        await kind.check(tool, "tools[0]", org_id="org", own=False)
        assert kind.hosted(tool)


def test_a_base_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="This URL can't be called"):
        search_engine(WebSearchSettings("searxng", base_url="http://["), Egress(Allowance()), {})


def test_the_settings_know_every_service() -> None:
    assert tuple(SERVICES) == SEARCH_SERVICES
