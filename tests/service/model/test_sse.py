"""The parser of server-sent events gives whole events, however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest

from service.model.sse import SseParser

STREAM = b"".join(
    (
        b": a comment\n\ndata: one\n\nevent: x\r\nid: 7\r\ndata: two\r\n\r\n",
        b"data:three\ndata:  three b\n\n\n\ndata: f\xc3\xbcnf\n\n",
    )
)
EVENTS = [b"one", b"two", b"three\n three b", b"f\xc3\xbcnf"]


def parsed(*pieces: bytes) -> list[bytes]:
    parser = SseParser()
    return [*itertools.chain.from_iterable(parser.feed(piece) for piece in pieces), *parser.end()]


def test_comments_other_fields_and_both_line_ends_are_understood() -> None:
    assert parsed(STREAM) == EVENTS


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_stream_cut_at_any_byte_gives_the_same_events(cut: int) -> None:
    assert parsed(STREAM[:cut], STREAM[cut:]) == EVENTS


def test_a_stream_that_comes_byte_by_byte_gives_the_same_events() -> None:
    assert parsed(*(bytes([byte]) for byte in STREAM)) == EVENTS


ALIKE = b"".join(b"data: %d\n\n" % number for number in range(20))


@pytest.mark.parametrize(
    "between", [b"", b"\n", b": ping\n\n", b"event: x\n", b"data:1\n\n", b"data: \n\n", b"data: a\ndata: b\n\n"]
)
@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_simple_events_before_and_behind_others_are_all_there(between: bytes, cut: int) -> None:
    stream = ALIKE + between + ALIKE
    expected = parsed(*(bytes([byte]) for byte in stream))

    assert parsed(stream[:cut], stream[cut:]) == expected
    assert len(expected) >= 40


def test_the_last_event_needs_no_blank_line() -> None:
    assert parsed(b"data: a\n\ndata: b") == [b"a", b"b"]


def test_an_event_that_grows_too_large_is_refused_whether_in_one_line_or_many() -> None:
    with pytest.raises(ValueError, match="too large"):
        SseParser(limit=10).feed(b"data: " + b"x" * 20)
    with pytest.raises(ValueError, match="too large"):
        SseParser(limit=10).feed(b"data: x\n" * 20)
    with pytest.raises(ValueError, match="too large"):
        parsed(b"data: " + b"x" * 11_000_000)
