"""Fields put together from bytes are what protobuf writes."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent
from nodexa.v1.response_pb2 import ResponseSettings

from service.runner.fields import VARINT, member, set_moment


@pytest.mark.parametrize("number", [1, 127, 128, 2047, 2048, 16_383, 16_384, 2**40])
def test_a_number_is_written_as_protobuf_writes_it(number: int) -> None:
    event = ResponseEvent(sequence_number=number).SerializeToString()

    assert event == bytes((ResponseEvent.SEQUENCE_NUMBER_FIELD_NUMBER << 3,)) + VARINT[number]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 3000, 20_000])
def test_a_member_is_written_as_protobuf_writes_it(size: int) -> None:
    settings = ResponseSettings(instructions="x" * size)

    assert (
        member(EventBatch.SETTINGS_FIELD_NUMBER, settings.SerializeToString())
        == EventBatch(settings=settings).SerializeToString()
    )


@pytest.mark.parametrize("moment", [0, 1, 999, 1_763_800_000_123])
def test_a_moment_is_what_protobuf_makes_of_milliseconds(moment: int) -> None:
    ours, theirs = Timestamp(), Timestamp()
    set_moment(ours, moment)
    theirs.FromMilliseconds(moment)

    assert ours == theirs
