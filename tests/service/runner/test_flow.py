"""A log tells its readers by a call: at once, no faster than they have room, and to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from nodexa.v1.event_pb2 import EventBatch, ResponseEvent

from service.runner.flow import Flow
from service.runner.log import MESSAGE_BYTES, EventLog, segment_of
from service.store.records import Segment


def segment(number: int, letters: int = 1) -> Segment:
    """One event of so many letters."""
    delta = {"item_id": "msg_1", "delta": "x" * letters}
    return segment_of(EventBatch(events=[ResponseEvent(sequence_number=number, output_text_delta=delta)]))


async def log_of(numbers: Iterable[int], letters: int = 1) -> EventLog:
    """A log that goes on behind these events."""
    log = EventLog()
    for number in numbers:
        await log.append(segment(number, letters), None)
    return log


class Reader:
    """What was passed on; `room` is how many messages more it takes."""

    def __init__(self, flow: Flow, room: int = 1000) -> None:
        self.messages: list[bytes] = []
        self.ends = 0
        self.room = room
        self.flow = flow
        flow.begin(self.take, self.end)

    @property
    def numbers(self) -> list[int]:
        return [event.sequence_number for data in self.messages for event in EventBatch.FromString(data).events]

    def take(self, message: bytes) -> bool:
        assert self.room > 0
        self.messages.append(message)
        self.room -= 1
        return self.room > 0

    def end(self) -> None:
        self.ends += 1


async def test_what_is_there_comes_together_and_what_comes_later_at_once() -> None:
    log = await log_of(range(3))
    reader = Reader(Flow(log, after=0))
    assert (len(reader.messages), reader.numbers) == (1, [1, 2])

    await log.append(segment(3), None)
    assert (len(reader.messages), reader.numbers, reader.ends) == (2, [1, 2, 3], 0)
    await log.append(segment(4), None, last=True)
    assert (reader.numbers, reader.ends) == ([1, 2, 3, 4], 1)


async def test_who_has_had_all_before_gets_a_long_segment_as_it_comes_in_messages_of_a_size() -> None:
    log = await log_of(range(2))
    reader = Reader(Flow(log, after=-1), room=2)
    long = EventBatch()
    for number in range(2, 42):
        long.MergeFromString(segment(number, MESSAGE_BYTES // 4).data)

    await log.append(segment_of(long), None)
    await log.append(segment(42), None)
    assert len(reader.messages) == 2

    reader.room = 1000
    reader.flow.go_on()
    await log.append(segment(43), None)
    assert reader.numbers == [*range(44)]
    assert max(map(len, reader.messages)) < 2 * MESSAGE_BYTES


async def test_a_reader_without_room_is_told_nothing_before_it_has_room_again() -> None:
    log = await log_of(range(40), letters=MESSAGE_BYTES // 4)
    slow, quick = Reader(Flow(log, after=-1), room=1), Reader(Flow(log, after=-1))
    await log.append(segment(40), None, last=True)
    assert (len(slow.messages), slow.ends) == (1, 0)
    assert (quick.numbers, quick.ends) == ([*range(41)], 1)

    while not slow.ends:
        slow.room = 2
        slow.flow.go_on()
    assert slow.numbers == [*range(41)]
    assert max(map(len, slow.messages)) < 2 * MESSAGE_BYTES
    slow.flow.go_on()
    assert (slow.numbers, slow.ends) == ([*range(41)], 1)


async def test_who_leaves_hears_nothing_more_and_disturbs_nobody() -> None:
    log = await log_of(range(1))
    first, second = Reader(Flow(log, after=-1)), Reader(Flow(log, after=-1))
    first.flow.leave()
    await log.append(segment(1), None, last=True)
    assert (first.numbers, first.ends) == ([0], 0)
    assert (second.numbers, second.ends) == ([0, 1], 1)


async def test_who_leaves_while_being_told_hears_nothing_more() -> None:
    log = await log_of(range(1))
    flow = Flow(log, after=-1)
    told: list[bytes] = []

    def take(message: bytes) -> bool:
        told.append(message)
        flow.leave()
        return True

    flow.begin(take, lambda: pytest.fail("it had left"))
    await log.append(segment(1), None, last=True)
    assert len(told) == 1


async def test_a_log_that_goes_on_elsewhere_ends_the_flow() -> None:
    log = await log_of(range(1))
    reader = Reader(Flow(log, after=-1))
    log.abandon()
    assert (reader.numbers, reader.ends) == ([0], 1)


async def test_the_head_stands_before_the_first_message_alone() -> None:
    log = await log_of(range(1))
    flow = Flow(log, 0, EventBatch(settings={"instructions": "Be brief."}).SerializeToString())
    reader = Reader(flow)
    await log.append(segment(1), None)
    await log.append(segment(2), None, last=True)
    assert flow.told
    settings = [EventBatch.FromString(data).HasField("settings") for data in reader.messages]
    assert (reader.numbers, settings) == ([1, 2], [True, False])


async def test_a_flow_can_be_pulled() -> None:
    log = await log_of(range(40), letters=MESSAGE_BYTES // 4)
    pulled = Flow(log, after=-1).pulled()
    messages = [await anext(pulled)]
    waits = asyncio.create_task(log.append(segment(40), None, last=True))
    messages += [message async for message in pulled]
    await waits
    assert [e.sequence_number for m in messages for e in EventBatch.FromString(m).events] == [*range(41)]
    assert max(map(len, messages)) < 2 * MESSAGE_BYTES
