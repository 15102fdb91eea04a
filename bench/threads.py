"""What a turn of a long thread costs: the second against the thousandth, with its history at hand and read anew."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import median
from typing import Any, Final

from bench.processes import cpu_seconds
from bench.shape import Shape
from bench.target import Target

REPEATS: Final = 30
_TEXT: Final = str(Shape(8))


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn's cost: CPU over all processes and the time to the answer, both in ms."""

    number: int
    cold: bool
    cpu: float
    latency: float


class Talk:
    """One client that asks one thing after the other."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = HTTPConnection("127.0.0.1", target.port, timeout=120)

    def ask(self, text: str = _TEXT, **fields: Any) -> dict[str, Any]:
        """Sends one request and returns its response."""
        return dict(json.loads(self.send("POST", self._target.path, {"input": text} | fields)))

    def send(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> bytes:
        """Any request and the body of its answer; anything but a 200 is an error."""
        body = None if fields is None else json.dumps({"model": self._target.model, **fields})
        headers = {"content-type": "application/json"} | dict(self._target.headers)
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data[:300]!r}")
        return data


def cost(target: Target, ask: Callable[[], object], *, repeats: int, seconds: float = 0.0) -> tuple[float, float]:
    """CPU and time of one call, in ms; made so many times, and for so long."""
    pids = target.pids()
    before, until = cpu_seconds(pids), time.perf_counter() + seconds
    took: list[float] = []
    while len(took) < repeats or time.perf_counter() < until:
        started = time.perf_counter()
        ask()
        took.append(time.perf_counter() - started)
    return (cpu_seconds(pids) - before) * 1000 / len(took), median(took) * 1000


def thread(target: Target, turns: int) -> list[str]:
    """Makes a thread of so many turns; the ids of its responses."""
    talk, ids = Talk(target), [""]
    for _ in range(turns):
        ids.append(talk.ask(**({"previous_response_id": ids[-1]} if ids[-1] else {}))["id"])
    return ids[1:]


def turns(serving: Callable[[], AbstractContextManager[Target]], last: int, *, starts: int) -> list[Turn]:
    """Turn 2 and turn `last` of one thread; cold: the median of several starts, each warmed by another thread."""
    with serving() as target:
        ids = thread(target, last - 1)
        talk = Talk(target)
        seen = []
        for number in (2, last):

            def ask(previous: str = ids[number - 2]) -> object:
                return talk.ask(previous_response_id=previous)

            ask()
            seen.append(Turn(number, False, *cost(target, ask, repeats=REPEATS)))
    for number in (2, last):
        tries = [_cold(serving, ids[number - 2]) for _ in range(starts)]
        seen.append(Turn(number, True, median(cpu for cpu, _ in tries), median(took for _, took in tries)))
    return seen


def _cold(serving: Callable[[], AbstractContextManager[Target]], previous: str) -> tuple[float, float]:
    with serving() as target:
        talk = Talk(target)
        other = talk.ask()["id"]
        for _ in range(REPEATS):
            talk.ask(previous_response_id=other)
        return cost(target, lambda: talk.ask(previous_response_id=previous), repeats=1)
