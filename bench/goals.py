"""What Nodexa must reach on two shared cores, what it aims at, and whether a run did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.report import markdown

Found = Mapping[tuple[Any, ...], Mapping[str, Any]]
"""The raw rows of a run: loads by server, name and connections, facts by name, turns by number and whether cold."""
_Figure = Callable[[Found], float | None]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and what it must and should be; `more` is better, or less."""

    name: str
    must: float
    aim: float
    figure: _Figure
    more: bool = False

    def verdict(self, measured: float | None) -> str:
        """In a word."""
        if measured is None:
            return "not measured"
        sign = -1 if self.more else 1
        limits = ((self.aim, "aim"), (self.must, "must"))
        return next((word for limit, word in limits if sign * measured <= sign * limit), "MISSED")


def _row(load: str, connections: int, name: str, server: str = "nodexa") -> _Figure:
    """A figure of a load that went without an error."""

    def figure(found: Found) -> float | None:
        row = found.get((server, load, connections))
        return None if row is None or row["errors"] else row[name]

    return figure


def _rate(load: str, connections: int, name: str) -> _Figure:
    count, seconds = _row(load, connections, name), _row(load, connections, "seconds")
    return _both(count, seconds, lambda many, time: many / time)


def _fact(name: str) -> _Figure:
    return lambda found: found.get((name,), {}).get("value")


def _turns(*, cold: bool) -> _Figure:
    def figure(found: Found) -> float | None:
        last = max((key[1] for key in found if key[0] == "turn"), default=0)
        second, late = found.get(("turn", 2, cold)), found.get(("turn", last, cold))
        return late["cpu"] / second["cpu"] if second and late else None

    return figure


def _both(one: _Figure, other: _Figure, join: Callable[[float, float], float]) -> _Figure:
    def figure(found: Found) -> float | None:
        first, second = one(found), other(found)
        return None if first is None or second is None else join(first, second)

    return figure


_FIRST: Final = _both(_row("SSE", 1, "first_p50"), _row("SSE", 1, "first_p50", "mock"), lambda ours, mock: ours - mock)
_DISK: Final = "a response of 200 tokens on disk, as fast as they come"
GOALS: Final[Sequence[Goal]] = (
    Goal("JSON, 64 connections: requests/s", 2_700, 5_600, _rate("JSON", 64, "requests"), more=True),
    Goal("JSON, one client: answer p50 ms", 2, 0.75, _row("JSON", 1, "latency_p50")),
    Goal("SSE, 64 connections: events/s", 150_000, 200_000, _rate("SSE", 64, "events"), more=True),
    Goal("SSE, 64 connections: CPU µs an event", 10, 6, _row("SSE", 64, "cpu_event")),
    Goal("SSE, 64 connections: first token p50 ms", 60, 20, _row("SSE", 64, "first_p50")),
    Goal("SSE, 64 connections: first token p99 ms", 110, 40, _row("SSE", 64, "first_p99")),
    Goal("SSE, one client: added to the first token, p50 ms", 3, 1, _FIRST),
    Goal("32 streams of 50 tokens/s: added a token p50 ms", 1, 0.3, _row("SSE 50/s", 32, "added_p50")),
    Goal("32 streams of 50 tokens/s: added a token p99 ms", 4, 1, _row("SSE 50/s", 32, "added_p99")),
    Goal("200 streams of 50 tokens/s: added a token p99 ms", 20, 12, _row("SSE 50/s", 200, "added_p99")),
    Goal("500 streams of 5 tokens/s: added a token p50 ms", 10, 1, _row("SSE 5/s", 500, "added_p50")),
    Goal("500 streams of 5 tokens/s: added a token p99 ms", 40, 12, _row("SSE 5/s", 500, "added_p99")),
    Goal("memory, idle: MB", 120, 80, _fact("memory, idle")),
    Goal("memory, 500 slow streams: MB", 200, 130, _row("SSE 5/s", 500, "memory_peak")),
    Goal("memory, 10,000 idle streams: MB", 1_000, 750, _row("SSE idle", 10_000, "memory_peak")),
    Goal("turn 1,000 of a thread against turn 2, history at hand: CPU", 2, 1.2, _turns(cold=False)),
    Goal("turn 1,000 of a thread against turn 2, after a restart: CPU", 5, 3, _turns(cold=True)),
    Goal("a response of 200 tokens on disk, replayable: bytes", 24_000, 12_000, _fact(f"{_DISK}, replayable")),
    Goal(
        "a response of 200 tokens on disk, after compaction: bytes", 4_000, 3_000, _fact(f"{_DISK}, after compaction")
    ),
    Goal("start to the first answer: s", 3, 0.5, _fact("start in an empty folder, to the first answer")),
    Goal("kill -9 of the core to the next answer: s", 3, 0.5, _fact("after kill -9 of the core, to the next answer")),
)


def goals_table(records: Iterable[Mapping[str, Any]]) -> str:
    """Each goal with what was measured, which of its limits that reaches, and from where to where all rounds went."""
    kept = list(records)
    found: Found = {_key(record): record for record in kept if record.get("told", True)}
    rounds = [{**found, **again} for again in _rounds(kept)]
    lines = []
    for goal in GOALS:
        measured = goal.figure(found)
        sign = "≥" if goal.more else "≤"
        limits = [f"{sign} {_short(goal.must)}", f"{sign} {_short(goal.aim)}"]
        told = "–" if measured is None else _short(measured)
        lines.append([goal.name, *limits, told, goal.verdict(measured), _range(map(goal.figure, rounds))])
    return markdown(["target", "must", "aim", "measured", "reached", "all rounds"], lines)


def _rounds(records: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """What was measured in each round."""
    for number in range(1, max((record.get("round", 1) for record in records), default=1) + 1):
        yield {_key(record): record for record in records if record.get("round") == number}


def _range(figures: Iterable[float | None]) -> str:
    known = {_short(figure): figure for figure in figures if figure is not None}
    return " – ".join(sorted(known, key=lambda text: known[text])[:: max(1, len(known) - 1)])


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    if record["load"] == "fact":
        return (record["name"],)
    if record["load"] == "turn":
        return ("turn", record["number"], record["cold"])
    return (record["server"], record["load"], record["connections"])


def _short(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
