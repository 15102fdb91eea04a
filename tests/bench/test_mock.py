"""The mock model server says what it is asked to say, by either of its doors."""

from __future__ import annotations

import json

from bench.frames import ID, chat_stream, chat_whole, responses_stream, responses_whole
from bench.shape import Shape, shape_of


def test_the_last_shape_of_a_request_counts() -> None:
    first, last = Shape(3, 20, stamped=True), Shape(7, calls=2)
    assert shape_of(f'{{"messages":["{first}","{last}"]}}'.encode()) == last


def test_a_request_without_a_shape_gets_the_usual_reply() -> None:
    assert shape_of(b"{}") == Shape()


def test_a_stream_has_an_event_for_each_token_and_says_what_the_whole_reply_says() -> None:
    shape = Shape(3)
    for whole, stream in ((chat_whole, chat_stream), (responses_whole, responses_stream)):
        assert len(stream(shape).tokens) == 3
        assert all(token.count(b"data: ") == 1 for token in stream(shape).tokens)
        assert " t0 t1 t2" in json.dumps(json.loads(whole(shape).partition(b"\r\n\r\n")[2]))


def test_every_id_of_a_reply_is_its_own() -> None:
    for whole in (chat_whole(Shape(1)), responses_whole(Shape(1)), responses_stream(Shape(1)).whole()):
        assert ID in whole


def test_parallel_calls_have_ids_of_their_own() -> None:
    body = json.loads(chat_whole(Shape(0, calls=3)).partition(b"\r\n\r\n")[2])
    calls = body["choices"][0]["message"]["tool_calls"]
    assert len({call["id"] for call in calls}) == 3
