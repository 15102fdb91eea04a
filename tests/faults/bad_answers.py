"""What bad model servers send, as raw bytes; each with the code of the error that callers get of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.fakes.chat_server import Raw
from tests.fakes.chat_words import Reply
from tests.faults.injector import HONEST, Fault

SECRET: Final = "upstream-secret"
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
GARBLED: Final = "upstream_protocol_error"
BROKEN: Final = "upstream_error"
SLOW: Final = "upstream_timeout"
MEGABYTES: Final = 10 * 2**20


@dataclass(frozen=True, slots=True)
class Bad:
    """An answer, the code of its error (`completed` for what must be borne), and what happens on its way."""

    answer: Reply | Raw
    code: str
    fault: Fault = HONEST


def frame(**delta: Any) -> bytes:
    """An event with a piece of a message."""
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return event({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})


def event(value: object) -> bytes:
    """An event with any value."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def finish(reason: object = "stop") -> bytes:
    """The event that ends a message, and the end mark."""
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}) + b"data: [DONE]\n\n"


def _status(code: int, *headers: str, text: bytes = SECRET.encode()) -> Raw:
    head = "\r\n".join([f"HTTP/1.1 {code} X", *headers, f"content-length: {len(text)}", "connection: close", "", ""])
    return Raw((head.encode() + text,))


def _said(*writes: bytes, hold: bool = False) -> Raw:
    return Raw((HEAD, *writes), hold=hold)


HELLO: Final = frame(content="Hello")
GOOD: Final = HELLO + finish()

BAD: Final[Mapping[str, Bad]] = {
    "hang before the head": Bad(Raw((), hold=True), SLOW),
    "hang in the head": Bad(Raw((b"HTTP/1.1 200 OK\r\ncontent-ty",), hold=True), SLOW),
    "hang behind the head": Bad(_said(hold=True), SLOW),
    "hang in the middle": Bad(_said(HELLO, hold=True), SLOW),
    "hang in an event": Bad(_said(HELLO, b'data: {"choi', hold=True), SLOW),
    "401": Bad(_status(401), "upstream_auth_error"),
    "403": Bad(_status(403), "upstream_auth_error"),
    "404": Bad(_status(404), BROKEN),
    "429 with Retry-After": Bad(_status(429, "retry-after: 7"), "rate_limit_exceeded"),
    "500": Bad(_status(500), BROKEN),
    "501 with half a body": Bad(Raw((b"HTTP/1.1 500 X\r\ncontent-length: 900\r\n\r\nupstream-secret",)), BROKEN),
    "302": Bad(_status(302, "location: http://169.254.169.254/"), BROKEN),
    "599 in HTML": Bad(_status(599, "content-type: text/html", text=b"<h1>upstream-secret</h1>"), BROKEN),
    "reset before the head": Bad(_said(GOOD), BROKEN, Fault(limit=0, reset=True)),
    "reset in the head": Bad(_said(GOOD), BROKEN, Fault(limit=20, reset=True)),
    "reset in the middle": Bad(_said(HELLO, hold=True), BROKEN, Fault(limit=len(HEAD) + len(HELLO), reset=True)),
    "cut in the middle": Bad(_said(HELLO, HELLO), GARBLED),
    "cut in an event": Bad(_said(HELLO, HELLO[:20]), GARBLED),
    "black hole in the middle": Bad(_said(GOOD), SLOW, Fault(limit=len(HEAD) + len(HELLO), hole=True)),
    "nothing at all": Bad(_said(), GARBLED),
    "an end mark alone": Bad(_said(b"data: [DONE]\n\n"), GARBLED),
    "not HTTP": Bad(Raw((b"SSH-2.0-OpenSSH_9.2\r\n",)), GARBLED),
    "not JSON": Bad(_said(HELLO, b"data: {]\n\n", finish()), GARBLED),
    "a bare number": Bad(_said(HELLO, event(7), finish()), GARBLED),
    "choices of a wrong type": Bad(_said(event({"choices": "upstream-secret"}), finish()), GARBLED),
    "a delta of a wrong type": Bad(_said(event({"choices": [{"delta": 7}]}), finish()), GARBLED),
    "content of a wrong type": Bad(_said(frame(content={"secret": 1}), finish()), GARBLED),
    "calls of a wrong type": Bad(_said(frame(tool_calls="upstream-secret"), finish()), GARBLED),
    "bad UTF-8": Bad(_said(b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n', finish()), GARBLED),
    "an error in the stream": Bad(_said(HELLO, event({"error": {"message": SECRET}})), BROKEN),
    "a line of 10 MB": Bad(_said(b"data: " + b"x" * MEGABYTES + b"\n\n", finish()), GARBLED),
    "a line without an end": Bad(_said(*[b"x" * 2**20] * 12, hold=True), GARBLED),
    "a byte now and then": Bad(_said(GOOD), SLOW, Fault(pace=0.2)),
    "no end": Bad(_said(*[HELLO] * 50, hold=True), SLOW),
    "split anywhere": Bad(_said(*[GOOD[at : at + 1] for at in range(len(GOOD))]), "completed"),
    "late pieces": Bad(_said(HELLO, finish()), "completed", Fault(latency=0.1)),
}
