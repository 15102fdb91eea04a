"""S5: whatever clients send is answered, and never by a bug; whatever a model server sends is told as one end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rest_bridge.wire.request import FIELDS
from tests.fakes.chat_server import ChatServer, Raw
from tests.faults.bad_answers import HEAD, HELLO, event, finish, frame
from tests.faults.core_process import SECONDS, delete_all_but
from tests.faults.counts import SOAK, count, measured
from tests.faults.http import Told, ask, request
from tests.faults.whole import Whole, usage, whole_with_assistant

pytestmark = pytest.mark.timeout(4 * 3600 if SOAK else 180)

EXAMPLES: Final = count(100, soak=5000)
"""Twice: memory is looked at between them, and behind."""
ROUNDS: Final = 3
"""What the allocators keep comes and goes by some percent; a leak is what grows in every round."""
TERMINAL: Final = ("response.completed", "response.incomplete", "response.failed")
THEIRS: Final = frozenset({"upstream_protocol_error", "upstream_error", "invalid_tool_call"})
GROWTH: Final = 1.05 if SOAK else 1.2

TEXT: Final = st.text(max_size=8) | st.sampled_from(["\0", "\u2028", "data: [DONE]\n\n", "auto", "function", "message"])
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FIELDS)) | TEXT, inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES: Final = (
    st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES, max_size=2)
)
"""Bytes as they are, and fields for a request that is good otherwise."""

DELTAS: Final = st.dictionaries(
    st.sampled_from(["content", "refusal", "tool_calls", "role"]) | TEXT, VALUES, max_size=2
)
WRITES: Final = st.lists(
    st.binary(max_size=40)
    | VALUES.map(event)
    | DELTAS.map(lambda delta: frame(**delta))
    | st.sampled_from([HELLO, finish(), b"data: ", b"\n\n", b"\r\n"]),
    max_size=6,
)


class Fuzz:
    """A running Nodexa, asked from the thread in which Hypothesis is; `longest` is the slowest answer, in seconds."""

    def __init__(self, nodexa: Whole, assistant_id: str) -> None:
        self.nodexa = nodexa
        self.assistant_id = assistant_id
        self.longest = 0.0
        self._loop = asyncio.get_running_loop()

    def post(self, body: bytes | dict[str, Any]) -> Told:
        """The answer to a request for a response; to the smallest one with these fields in it."""
        if isinstance(body, dict):
            body = json.dumps({"model": self.assistant_id, "input": "Hello", **body}).encode()
        head = request("POST", "/v1/responses", self.nodexa.key)[:-2]
        more = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        return asyncio.run_coroutine_threadsafe(self._ask(head + more + body), self._loop).result(2 * SECONDS)

    async def _ask(self, wanted: bytes) -> Told:
        begun = self._loop.time()
        answer = await ask(self.nodexa.port, wanted)
        self.longest = max(self.longest, self._loop.time() - begun)
        return answer


async def expect_flat(fuzz: Fuzz, examples: Callable[[], None]) -> dict[str, float]:
    """Runs the examples again and again; fails when each time costs memory, or anything was logged as an error."""
    held: list[list[int]] = []
    while len(held) < 2 or (_growth(held) > GROWTH and len(held) <= ROUNDS):
        await asyncio.to_thread(examples)
        await delete_all_but(fuzz.nodexa.core, "")
        held.append([usage(pid).memory for pid in fuzz.nodexa.pids])
    assert _growth(held) <= GROWTH, held
    assert fuzz.nodexa.complaints() == []
    figures = {"longest_seconds": round(fuzz.longest, 2), "grown": round(_growth(held), 3)}
    return {"examples": len(held) * EXAMPLES, **figures}


def _growth(held: list[list[int]]) -> float:
    """How many times what it held before a process holds now: that of the two which grew more."""
    return max(now / before for before, now in zip(held[-2], held[-1], strict=True))


def often(test: Callable[..., None]) -> Callable[..., None]:
    """The settings of both tests."""
    checked = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    return checked(test)


async def test_no_body_is_answered_by_a_bug(tmp_path: Path) -> None:
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        fuzz = Fuzz(nodexa, assistant_id)

        @often
        @given(body=BODIES)
        def send(body: bytes | dict[str, Any]) -> None:
            answer = fuzz.post(body)
            assert 200 <= answer.status < 500, answer.raw
            assert answer.status == 200 or answer.json["error"]["code"]

        figures = await expect_flat(fuzz, send)
    measured("S5", what="bodies", **figures)


async def test_no_answer_of_a_model_server_is_told_as_a_bug(tmp_path: Path) -> None:
    async with ChatServer() as upstream, whole_with_assistant(tmp_path / "var", upstream.url) as (nodexa, assistant_id):
        fuzz = Fuzz(nodexa, assistant_id)

        @often
        @given(writes=WRITES)
        def hear(writes: list[bytes]) -> None:
            upstream.replies.clear()
            upstream.replies.append(Raw((HEAD, *writes)))
            events = fuzz.post({"stream": True}).events
            ends = [each for each in events if each["type"] in TERMINAL]
            assert ends == events[-1:]
            error = ends[0]["response"]["error"]
            assert error is None or error["code"] in THEIRS, error

        figures = await expect_flat(fuzz, hear)
    measured("S5", what="model servers", **figures)
