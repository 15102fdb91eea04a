"""What is said of a call comes out as it went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_link.parts import credit, credit_in, end, head, opening, read_end, read_head, read_opening

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = TEXT.filter(lambda name: not name.endswith("-bin"))
PAIRS = st.lists(st.tuples(NAME, TEXT) | st.tuples(NAME.map(lambda name: f"{name}-bin"), st.binary())).map(tuple)


@given(TEXT, st.lists(st.tuples(NAME, TEXT)).map(tuple), st.binary())
def test_an_opening_is_read_as_it_was_said(
    method: str, metadata: tuple[tuple[str, str], ...], request_bytes: bytes
) -> None:
    assert read_opening(opening(method, metadata, request_bytes)) == (method, metadata, request_bytes)


@given(st.integers(0, 16), TEXT, PAIRS)
def test_an_end_is_read_as_it_was_said(
    status: int, message: str, metadata: tuple[tuple[str, str | bytes], ...]
) -> None:
    assert read_end(end(status, message, metadata)) == (status, message, metadata)
    assert read_head(head(metadata)) == metadata


def test_a_credit_is_read_as_it_was_said() -> None:
    assert credit_in(credit(70_000)) == 70_000


@pytest.mark.parametrize("read", [read_opening, read_end, read_head, credit_in])
@pytest.mark.parametrize("data", [b"", b"\x04\0\0\0nope", b"\xff" * 9, b'{"a":1}', b"[1,2]", b"[[1]]", b"[0,1,[[2]]]"])
def test_what_is_no_part_is_refused(read: object, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)  # type: ignore[operator]
