"""The page shows the whole document and asks nobody else for anything."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser

from rest_bridge.openapi.document import document
from rest_bridge.openapi.event import described
from rest_bridge.openapi.example import EXAMPLES
from rest_bridge.openapi.page import page, render
from rest_bridge.wire.request import FIELDS
from tests.rest_bridge.conftest import BridgeUnderTest

EMPTY = {"meta", "br", "hr", "link", "img", "input"}
OUTSIDE = {"src", "srcset", "action", "style", "background", "data", "poster"}


class Reading(HTMLParser):
    """What a browser would make of a page: its elements, links, texts and the style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.words.append(data)


async def test_the_page_is_served_to_anybody_and_may_load_nothing(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="") as http:
        answer = await http.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    read = Reading(answer.text)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & set(read.tags)
    assert not (OUTSIDE | {name for name in read.attributes if name.startswith("on")}) & read.attributes
    assert all(link.startswith(("#", "/")) for link in read.links)
    assert "url(" not in read.style
    assert "@import" not in read.style
    digest = base64.b64encode(hashlib.sha256(read.style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]


async def test_the_root_leads_to_the_page(bridge: BridgeUnderTest) -> None:
    async with bridge.http(key="") as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


def test_the_page_shows_every_operation_field_event_code_and_example() -> None:
    read = Reading(page()[0].decode())
    words = set(read.words)
    told = document()
    assert set(told["paths"]) <= words
    assert set(FIELDS) <= words
    assert {name for _, name, _ in described()} <= words
    assert {"missing_api_key", "rate_limit_exceeded", "storage_unavailable"} <= words
    assert set(EXAMPLES.values()) <= words


def test_every_link_within_the_page_leads_somewhere() -> None:
    read = Reading(page()[0].decode())
    assert {link.removeprefix("#") for link in read.links if link.startswith("#")} <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_a_description_cannot_bring_markup_of_its_own() -> None:
    told = dict(document()) | {"info": {"title": "<b>x", "version": "1", "description": "<script>1</script> `<i>`"}}
    read = Reading(render(told, ""))
    assert not {"script", "b", "i"} & set(read.tags)
    assert "<script>1</script> " in "".join(read.words)
