"""An event is recognized without parsing only where parsing would have given the same."""

from __future__ import annotations

import json

import pytest

from service.model.chat_template import TextTemplate


def event(content: object, *, separators: tuple[str, str] = (",", ":"), finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return json.dumps({"id": "a", "choices": [choice]}, separators=separators, ensure_ascii=False).encode()


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("text", ["x", " wörld", 'a "quoted" \\ word', "\n", "\u0000", "{}", '","content":"'])
def test_an_event_that_differs_in_its_text_only_is_read(text: str, separators: tuple[str, str]) -> None:
    template = TextTemplate()
    template.learn(event("Hello", separators=separators), "Hello")
    assert template.read(event(text, separators=separators)) == text


@pytest.mark.parametrize(
    "other",
    [
        event("x", finish="stop"),
        event(None),
        event(7),
        event(""),
        event(["x"]),
        event("x").replace(b'"a"', b'"b"'),
        event("x").replace(b'"x"', b'"x","content":"y"'),
        event("x").replace(b'"x"', b'"x" , "refusal":"y"'),
        event("x").replace(b"x", b"\xff"),
        event("x")[:20],
        b"",
        b"[DONE]",
    ],
)
def test_any_other_event_is_left_to_the_parser(other: bytes) -> None:
    template = TextTemplate()
    assert template.read(other) == ""
    template.learn(event("Hello"), "Hello")
    assert template.read(other) == ""


def test_an_event_with_the_key_twice_teaches_nothing() -> None:
    twice = b'{"message":{"content":"Hello"},"choices":[{"delta":{"content":"Hello"}}]}'
    template = TextTemplate()
    template.learn(twice, "Hello")
    assert template.read(twice) == ""


def learned() -> TextTemplate:
    template = TextTemplate()
    template.learn(event("Hello"), "Hello")
    return template


@pytest.mark.parametrize("text", ["x", " wörld", 'a "quoted" \\ word', "\n", "\u0000", "{}", '","content":"'])
def test_an_event_that_comes_alone_is_read_at_once(text: str) -> None:
    assert learned().alone(b"data: %b\n\n" % event(text)) == text


@pytest.mark.parametrize(
    "data",
    [
        b"data: %b\n\ndata: %b\n\n" % (event("x"), event("y")),
        b"data: %b\n\n: a comment\n\ndata: %b\n\n" % (event("x"), event("y")),
        b"data: %b\n" % event("x"),
        b"data: %b\n\ndata" % event("x"),
        b"data: %b\n\n" % event("x", finish="stop"),
        b"data: %b\n\n" % event(""),
        b"data: %b\n\n" % event("x").replace(b'"x"', b'"x","content":"y"'),
        b"data: %b\n\n" % event("").replace(b'""', b'"'),
        b"",
        b"data: [DONE]\n\n",
    ],
)
def test_what_is_not_one_event_alone_is_left_to_others(data: bytes) -> None:
    assert learned().alone(data) == ""


def test_events_in_a_row_that_differ_in_their_text_only_are_read_together() -> None:
    texts = ["a", "wörld", 'a "quoted" \\ word', "\n", "x"]
    events = [event("before"), *map(event, texts), event("end", finish="stop"), event("behind")]

    assert learned().run(events, 1) == texts


@pytest.mark.parametrize(
    "other",
    [
        event(""),
        event(None),
        event(7),
        event("x").replace(b'"x"', b'"x","y"'),
        event("x").replace(b'"x"', b'"x","content":"y"'),
        event("x").replace(b'"x"', b'"x\\"'),
        event("x").replace(b'"x"', b'"'),
        event("x").replace(b"x", b"\xff"),
    ],
)
def test_a_run_ends_before_any_other_event(other: bytes) -> None:
    assert learned().run([event("a"), event("b"), other, event("c"), other], 0) == ["a", "b"]
    assert learned().run([other, event("a")], 0) == []


@pytest.mark.parametrize("place", [0, 1, 7, 8, 9, 23, 24, 99])
@pytest.mark.parametrize("other", [event(""), event("x", finish="stop"), b"[DONE]", event("x").replace(b'"x"', b'"x')])
def test_a_long_run_ends_where_it_ends(place: int, other: bytes) -> None:
    texts = [f"tok{number}" for number in range(100)]
    events = [*map(event, texts[:place]), other, *map(event, texts[place:])]

    assert learned().run(events, 0) == texts[:place]
    assert learned().run(events, place + 1) == texts[place:]


def test_no_event_is_read_as_part_of_another() -> None:
    opening, inner, closing = (event("x").replace(b'"x"', said) for said in (b'"x",["y"', b'"z"', b'"w"],"v"'))
    assert learned().run([event("a"), opening, inner, closing, event("b")], 0) == ["a"]
    head, tail = event("|").split(b"|")
    assert learned().run([event("a"), head + b"x" + tail + b"\n" + head + b"y" + tail, event("b")], 0) == ["a"]


def test_an_event_of_several_lines_teaches_nothing() -> None:
    spread = json.dumps({"choices": [{"delta": {"content": "Hello"}}]}, indent=1).encode()
    template = TextTemplate()
    template.learn(spread, "Hello")
    assert template.read(spread) == ""


def test_nothing_is_a_run_before_an_event_was_learned() -> None:
    assert TextTemplate().run([event("a")], 0) == []


def framed(*events: bytes) -> bytes:
    return b"".join(b"data: %b\n\n" % each for each in events)


TEXTS = ["x", " wörld", 'a "quoted" \\ word', "\n", "\u0000", "{}", '","content":"']


@pytest.mark.parametrize("texts", [*([text] for text in TEXTS), TEXTS])
@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", framed(event("x", finish="stop")), framed(event("x"))[:-9]])
def test_events_that_differ_in_their_texts_only_are_read_at_once(texts: list[str], rest: bytes) -> None:
    template = TextTemplate()
    data = framed(*map(event, texts)) + rest
    assert template.cut(data) == ([], data)
    template.learn(event("Hello"), "Hello")
    assert template.cut(data) == (texts, rest)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "other",
    [
        framed(event("")),
        framed(event(None)),
        framed(event("x").replace(b'"x"', b'"x","content":"y"')),
        framed(event("x").replace(b'"x"', b'"x","y"')),
        framed(event("x").replace(b"x", b"\xff")),
        framed(event("x").replace(b"x", b"\n")),
        framed(event("x").replace(b'x"', b'x\\"')),
        framed(event("x").replace(b'"a"', b'"b"')),
        b": a comment\n\n",
        b"event: other\n" + framed(event("x")),
        framed(event("x")).replace(b"\n\n", b"\r\n\r\n"),
    ],
)
def test_nothing_is_taken_of_what_has_another_event_among_them(other: bytes, place: int) -> None:
    template = TextTemplate()
    template.learn(event("Hello"), "Hello")
    alike = [framed(event("x"))] * 3
    data = b"".join([*alike[:place], other, *alike[place:]])
    assert template.cut(data) == ([], data)


def test_pieces_that_are_an_event_each_are_read_up_to_the_first_that_is_another() -> None:
    pieces = [b"data: %b\n\n" % event(text) for text in ("a", "b\n", 'c"')]
    assert learned().begin([*pieces, b"data: %b\n\n" % event("end", finish="stop"), b"data: [DONE]\n\n"]) == [
        "a",
        "b\n",
        'c"',
    ]
    assert TextTemplate().begin(pieces) == []


@pytest.mark.parametrize(
    "other",
    [
        b"data: %b\n\n" % event(""),
        b"data: %b\n\n" % event("x", finish="stop"),
        b"data: %b\n\ndata: %b\n\n" % (event("x"), event("y")),
        (b"data: %b\n\n" % event("x"))[:30],
        b"",
    ],
)
def test_pieces_with_anything_else_between_them_are_left_to_others(other: bytes) -> None:
    whole = b"data: %b\n\n" % event("a")
    assert learned().begin([whole, other, whole]) == []
