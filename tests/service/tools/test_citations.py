"""What in a text is a citation, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_output_text import AnnotationFileCitation, AnnotationURLCitation

from service.tools.citations import MOST, citations

CITED = (
    {"type": "url_citation", "url": "https://a.example/", "title": "A"},
    {"type": "url_citation", "url": "https://b.example/", "title": "B"},
    {"type": "file_citation", "file_id": "file_1", "filename": "c.pdf"},
)
MARKS = {
    "[1]": [1],
    "[1][2]": [1, 2],
    "[1, 2]": [1, 2],
    "[1,2,3]": [1, 2, 3],
    "[1;2]": [1, 2],
    "[ 2 ]": [2],
    "[1-3]": [1, 2, 3],
    "[2–3]": [2, 3],
    "[^2]": [2],
    "[^1, ^3]": [1, 3],
    "[2, 1, 2]": [2, 1],
    "【1】": [1],
    "【2†source】": [2],
    "【1†L3-L5】": [1],
    "【1】【3】": [1, 3],
    "[1](https://a.example/)": [1],
    "Paris[1].": [1],
    "[1, 9]": [1],
    "[1-9999]": [1, 2, 3],
}
NONE = (
    *(
        "[0]",
        "[4]",
        "[9999]",
        "[10000]",
        "[]",
        "[a]",
        "[1a]",
        "[-1]",
        "[1",
        "1]",
        "(1)",
        "[1.5]",
        "[3-1]",
        "[٣]",
        "【】",
        "【x】",
    ),
    *("`a[1]`", "```\na[1]\n```", "```a[1]", r"\[1\]"),
)


def sources(text: str) -> list[int]:
    return [CITED.index(_source(found)) + 1 for found in citations(text, CITED)]


def _source(annotation: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in annotation.items() if name not in ("start_index", "end_index", "index")}


@pytest.mark.parametrize("text", MARKS)
def test_a_mark_names_its_sources(text: str) -> None:
    assert sources(text) == MARKS[text]


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_mark_is_text(text: str) -> None:
    assert citations(text, CITED) == []


def test_a_citation_says_where_its_mark_stands() -> None:
    text = "Ü 🎉 Paris [1], and more 【3†x】."

    url, file = citations(text, CITED)

    assert AnnotationURLCitation.model_validate(url).title == "A"
    assert text[url["start_index"] : url["end_index"]] == "[1]"
    assert AnnotationFileCitation.model_validate(file).filename == "c.pdf"
    assert text[file["index"] :].startswith("【3†x】")


def test_a_text_that_cites_nothing_has_no_annotations() -> None:
    assert citations("[1]", ()) == []
    assert citations("", CITED) == []


def test_there_is_an_end_to_annotations() -> None:
    assert len(citations("[1]" * (MOST + 1), CITED)) == MOST


@pytest.mark.parametrize("piece", ["`", "[", "[1,", "[1,1", "【1†", "```", "\\[", "[ 1 ,", "a ", "[1]", "\n`"])
def test_long_texts_are_read_in_one_pass(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))

    assert len(citations(text, CITED)) <= MOST


@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from([*MARKS, *NONE])), max_size=12))
def test_every_annotation_points_at_a_mark(pieces: list[str]) -> None:
    text = "".join(pieces)

    found = citations(text, CITED)

    starts: list[int] = [each["start_index"] if "start_index" in each else each["index"] for each in found]
    assert starts == sorted(starts)
    for each, start in zip(found, starts, strict=True):
        assert _source(each) in CITED
        assert text[start] in "[【"
        assert text[each.get("end_index", len(text)) - 1] in "]】" or "index" in each


@given(st.text(alphabet=st.characters(exclude_characters="`\\[【"), max_size=40), st.integers(1, 3))
def test_a_mark_is_found_behind_any_text(before: str, number: int) -> None:
    [found] = citations(f"{before}[{number}]", CITED)

    assert found.get("start_index", found.get("index")) == len(before)
