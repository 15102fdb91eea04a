"""Texts that come together go on together, whichever kind of model wrote them."""

from __future__ import annotations

import pytest
from nodexa.v1.event_pb2 import EventBatch
from nodexa.v1.item_pb2 import TokenLogprob

from service.model.chunk import Chunk, MessageEnd, ReasoningDelta, TextDelta, TextRun, merged, text_of
from service.model.scripted import STOP
from tests.conftest import CoreUnderTest
from tests.service.requests import stream
from tests.service.runner.ladder import climb

LIKELY = TextDelta("!", (TokenLogprob(token="!", logprob=-0.5),))


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ([], []),
        ([TextDelta("a")], [TextDelta("a")]),
        ([TextDelta("a"), TextDelta(""), TextDelta("b")], [TextRun(["a", "b"])]),
        ([TextRun(["a", "b"]), TextDelta("c")], [TextRun(["a", "b", "c"])]),
        ([TextDelta("a"), TextDelta("")], [TextDelta("a")]),
        ([TextDelta(""), TextDelta("")], []),
        ([TextDelta("a"), LIKELY, TextDelta("b")], [TextDelta("a"), LIKELY, TextDelta("b")]),
        (
            [ReasoningDelta("hm"), TextDelta("a"), TextDelta("b"), MessageEnd(), TextDelta("c")],
            [ReasoningDelta("hm"), TextRun(["a", "b"]), MessageEnd(), TextDelta("c")],
        ),
    ],
)
def test_neighboring_texts_become_a_run(chunks: list[Chunk], told: list[Chunk]) -> None:
    assert merged(chunks) == told
    assert text_of(told) == text_of(chunks)


async def test_a_run_is_one_event_of_the_log_and_as_many_for_its_readers(core: CoreUnderTest) -> None:
    core.model.add([[TextDelta("Hel"), TextDelta("lo"), TextDelta("!"), STOP]])

    events = await stream(core)

    climb(events)
    said = [event.output_text_delta.delta for event in events if event.HasField("output_text_delta")]
    assert said == ["Hel", "lo", "!"]
    segments = await core.core.database.read(lambda db: db.execute("select batch from response_segments").fetchall())
    kept = [event for (data,) in segments for event in EventBatch.FromString(data).events]
    assert [list(event.output_text_deltas.deltas) for event in kept if event.HasField("output_text_deltas")] == [said]
