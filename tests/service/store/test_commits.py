"""How often a response goes to disk: as often as somebody may see more of it, and no more often.

Requests have names here: what they begin is written before anybody is asked, so that no time decides.
"""

from __future__ import annotations

import pytest

from service.model.chunk import TextDelta
from service.model.scripted import STOP, Step
from tests.conftest import CoreUnderTest
from tests.service.requests import create, said, stream, watch
from tests.service.runner.ladder import climb


@pytest.mark.parametrize(("text", "segments"), [("Hi", 2), ("x" * 100_000, 4)])
async def test_an_answer_that_nobody_reads_before_its_end_is_written_with_it_unless_it_is_long(
    core: CoreUnderTest, text: str, segments: int
) -> None:
    core.model.add([[TextDelta(text)], [TextDelta(text)], [STOP]])

    response = await create(core, request_id="order-1")

    assert said(response) == text * 2
    written = await core.core.database.read(
        lambda db: db.conn.execute("select first_seq, last_seq from response_segments order by 1").fetchall()
    )
    assert len(written) == segments
    climb(await watch(core, response.id))


@pytest.mark.parametrize(
    ("turn", "segments"),
    [
        ([[TextDelta("a"), TextDelta("b"), STOP]], [2]),
        ([[TextDelta("a")], [TextDelta("b"), STOP]], [3]),
        # What is told while the disk is at work goes with what is told next.
        ([[TextDelta("a")], [TextDelta("b")], [STOP]], [3, 4]),
        ([[TextDelta("x" * 100_000), STOP]], [3]),
    ],
)
async def test_what_a_model_says_last_is_written_with_the_end_unless_it_is_long(
    core: CoreUnderTest, turn: list[Step], segments: list[int]
) -> None:
    core.model.add(turn)

    events = await stream(core, request_id="order-1")

    climb(events)
    (written,) = await core.core.database.read(
        lambda db: db.execute(
            "select (select count(*) from response_segments) + (select count(*) from daybook)"
        ).fetchone()
    )
    assert written in segments
