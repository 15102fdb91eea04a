"""`make bench-growth`: what a request costs as threads, the database, tool lists, inputs and replies grow."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import log
from pathlib import Path
from typing import Any, Final

from bench import docs
from bench.fill import fill_keys_and_assistants, fill_responses
from bench.gauge import Cost, Gauge, told
from bench.machine import about, need_linux
from bench.plot import Curve, draw
from bench.processes import stop_like_ctrl_c, upstream
from bench.report import HERE, keep, kept, markdown, slower
from bench.shape import Shape
from bench.target import Target, serving
from bench.threads import Talk, thread

_Running = Callable[[str], AbstractContextManager[Target]]
_Fields = Callable[[int], dict[str, Any]]
REPORT: Final = HERE / "growth.md"
RAW: Final = HERE / "growth.jsonl"
DRAWING: Final = HERE.parent / "docs" / "growth.svg"
_HEADS: Final = ("CPU ms of one request, by size", "smallest", "", "", "largest", "steepness", "pace ms", "")
_DATABASE: Final = "nodexa.db"
PACE: Final = (
    "*Pace* is how many ms of CPU a fixed piece of work took on all CPUs at once, before and behind each point: less "
    "is faster. A point that was measured at a slow pace was measured again; the one of the best pace counts."
)
# How steep a curve may be at its end, on logarithmic axes: what must be flat, and what may grow with its size.
FLAT: Final = 0.15
LINEAR: Final = 1.15


@dataclass(frozen=True, slots=True)
class Series:
    """The cost of one request against a size, in all rounds, and how steep that may be."""

    name: str
    unit: str
    may: float
    seen: Sequence[tuple[float, list[Cost]]]

    @property
    def points(self) -> Sequence[tuple[float, float]]:
        """CPU ms at each size, of the rounds that count."""
        return [(size, told(costs).cpu) for size, costs in self.seen]

    @property
    def steepness(self) -> float:
        """Of the last step: 0 is flat, 1 is linear, 2 is quadratic."""
        (x1, y1), (x2, y2) = self.points[-2:]
        return log(y2 / y1) / log(x2 / x1)

    def raw(self) -> list[dict[str, Any]]:
        """As it is kept: one record a point and round."""
        return [
            {"load": self.name, "number": size, "cpu": one.cpu, "pace": one.pace, "round": number}
            | {"told": one is told(costs)}
            for size, costs in self.seen
            for number, one in enumerate(costs, 1)
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the arguments, measures, draws."""
    parser = argparse.ArgumentParser(prog="make bench-growth", description="Measures what grows with what.")
    parser.add_argument("--quick", action="store_true", help="a tenth of every size, nothing is written")
    parser.add_argument("--rounds", type=int, help="in how many a point may be measured (default: 4, with --quick 1)")
    parser.add_argument("--wait", type=float, default=0, help="seconds a point waits for a good pace (default: 0)")
    given = parser.parse_args(arguments)
    need_linux("make bench-growth")
    before = kept(RAW)
    print(about(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        gauge = Gauge(rounds=given.rounds or (1 if given.quick else 4), wait=given.wait)
        series = list(_all(Path(folder), 10 if given.quick else 1, gauge))
    text, records = markdown(_HEADS, map(_line, series)), [record for one in series for record in one.raw()]
    print("\n" + text)
    for words in slower(records, before):
        print(f"SLOWER: {words}")
    if not given.quick:
        head = f"# Results of `make bench-growth`\n\nMeasured on {datetime.now(UTC).date().isoformat()}. {about()}."
        REPORT.write_text(f"{head}\n\n{PACE}\n\n## Curves\n\n{text}\n")
        keep(RAW, records)
        DRAWING.write_text(draw([Curve(one.name, one.unit, "CPU ms", one.points) for one in series]))
        docs.fill()


def _line(series: Series) -> list[str]:
    cells = [f"{x:,.0f}: {y:.2f}" for x, y in series.points]
    cells = [cells[0], *([""] * (4 - len(cells))), *cells[1:]]
    verdict = "" if series.steepness <= series.may else "TOO STEEP"
    paces = sorted(told(costs).pace for _, costs in series.seen)
    pace = f"{paces[0]:.2f} – {paces[-1]:.2f}"
    return [f"{series.name} ({series.unit})", *cells, f"{series.steepness:.2f}", pace, verdict]


def _all(folder: Path, less: int, gauge: Gauge) -> Iterator[Series]:
    with upstream(folder) as port:

        @contextmanager
        def running(name: str) -> Iterator[Target]:
            with serving(folder / name, port) as target:
                talk = Talk(target)
                for _ in range(50):
                    talk.ask()
                yield target

        with running("requests") as target:
            for make in (_tools, _bytes, _items, _deltas, _calls):
                yield _told(make(target, less, gauge))
        with running("thread") as target:
            yield _told(_turns(target, less, gauge))
        yield from map(_told, _stored(running, folder, less, gauge))
        yield _told(_keys(running, folder, less, gauge))


def _told(series: Series) -> Series:
    print(" | ".join(_line(series)), flush=True)
    return series


def _curve(target: Target, gauge: Gauge, name: str, unit: str, sizes: Sequence[int], *, fields: _Fields) -> Series:
    talk, points = Talk(target), []
    for size in sizes:
        body = {"input": str(Shape(8))} | fields(size)

        def ask(body: dict[str, Any] = body) -> object:
            return talk.send("POST", "/v1/responses", body)

        ask()
        points.append((float(size), gauge.costs(target, ask)))
    return Series(name, unit, LINEAR, points)


def _function(name: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    return {"type": "function", "name": name, "parameters": schema}


def _tools(target: Target, less: int, gauge: Gauge) -> Series:
    def fields(count: int) -> dict[str, Any]:
        return {"tools": [_function(f"look_{number}") for number in range(count)]}

    return _curve(target, gauge, "tools of a request", "tools", [1, 8, 32, 128], fields=fields)


def _bytes(target: Target, less: int, gauge: Gauge) -> Series:
    sizes = [size // less for size in (1_000, 10_000, 100_000, 1_000_000)]
    return _curve(
        target, gauge, "text of an input", "bytes", sizes, fields=lambda n: {"input": "x" * n + str(Shape(8))}
    )


def _items(target: Target, less: int, gauge: Gauge) -> Series:
    def fields(count: int) -> dict[str, Any]:
        return {"input": [{"role": "user", "content": str(Shape(8))} for _ in range(count)]}

    return _curve(target, gauge, "items of an input", "items", [1, 10, 100, max(1_000 // less, 200)], fields=fields)


def _deltas(target: Target, less: int, gauge: Gauge) -> Series:
    sizes = [10, 100, 1_000, max(10_000 // less, 2_000)]
    return _curve(
        target,
        gauge,
        "tokens of a streamed reply",
        "tokens",
        sizes,
        fields=lambda n: {"input": str(Shape(n)), "stream": True},
    )


def _calls(target: Target, less: int, gauge: Gauge) -> Series:
    def fields(count: int) -> dict[str, Any]:
        return {"input": str(Shape(0, calls=count)), "tools": [_function("look")], "stream": True}

    return _curve(target, gauge, "parallel calls of a reply", "calls", [1, 8, 32, 128], fields=fields)


def _turns(target: Target, less: int, gauge: Gauge) -> Series:
    sizes = [2, 10, 100, max(1_000 // less, 200)]
    ids, talk, points = thread(target, sizes[-1] - 1), Talk(target), []
    for size in sizes:

        def ask(previous: str = ids[size - 2]) -> object:
            return talk.ask(previous_response_id=previous)

        ask()
        points.append((float(size), gauge.costs(target, ask)))
    return Series("turns of a thread", "turns", LINEAR, points)


def _stored(running: _Running, folder: Path, less: int, gauge: Gauge) -> Iterator[Series]:
    """What must not notice how much is stored: a first turn, a second one, a look-up."""
    sizes = [size // less for size in (1_000, 10_000, 100_000, 1_000_000)]
    seen: dict[str, list[tuple[float, list[Cost]]]] = {}
    for size in sizes:
        with running("stored"):
            pass
        fill_responses(folder / "stored" / _DATABASE, size)
        with running("stored") as target:
            talk = Talk(target)
            first = str(talk.ask()["id"])
            asks: dict[str, Callable[[], object]] = {
                "a first turn": talk.ask,
                "a second turn": partial(talk.ask, previous_response_id=first),
                "a look-up": partial(talk.send, "GET", f"/v1/responses/{first}"),
            }
            for name, ask in asks.items():
                ask()
                seen.setdefault(name, []).append((float(size), gauge.costs(target, ask)))
    for name, points in seen.items():
        yield Series(f"stored responses: {name}", "responses", FLAT, points)


def _keys(running: _Running, folder: Path, less: int, gauge: Gauge) -> Series:
    points = []
    for size in (1_000 // less, 10_000 // less, 100_000 // less):
        with running("keys"):
            pass
        fill_keys_and_assistants(folder / "keys" / _DATABASE, size)
        with running("keys") as target:
            points.append((float(size), gauge.costs(target, Talk(target).ask)))
    return Series("keys and assistants: a first turn", "of each", FLAT, points)


if __name__ == "__main__":
    stop_like_ctrl_c()
    main()
