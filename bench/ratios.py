"""How many times better Nodexa was than each of its peers, and how many times better it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.loads import Row
from bench.report import connections, markdown

_Figure = Callable[[Row], float | None]


def _requests(row: Row) -> float | None:
    return None if row.events else row.requests_a_second


def _events(row: Row) -> float | None:
    return row.events_a_second or None


# What is better when it is more, and what when it is less: both as "so many times better".
MORE: Final[Sequence[tuple[str, _Figure]]] = (("requests/s", _requests), ("events/s", _events))
LESS: Final[Sequence[tuple[str, _Figure]]] = (
    ("CPU a request", lambda row: None if row.events else row.cpu_request),
    ("CPU an event", lambda row: row.cpu_event),
    ("answer p50", lambda row: None if row.events else row.latency_p50),
    ("first token p50", lambda row: row.first_p50),
    ("added a token p50", lambda row: row.added_p50),
    ("added a token p99", lambda row: row.added_p99),
    ("memory at its peak", lambda row: row.memory_peak),
)
# For a load and a figure: against whom so many times better is a must.
MUST: Final[Mapping[tuple[str, int, _Figure], Mapping[str, float]]] = {
    ("JSON", 64, _requests): {"agentic-api": 1.6, "litellm": 80, "ogx": 80},
    ("SSE", 64, _events): {"smg": 2.2, "agentic-api": 2.2, "litellm": 100, "ogx": 100},
}


def ratios_table(rows: Sequence[Row]) -> str:
    """A line for each load and figure, a column for each peer; above 1 Nodexa was better."""
    names = list(dict.fromkeys(row.server for row in rows if row.server != "nodexa"))
    lines = []
    for own in (row for row in rows if row.server == "nodexa"):
        others = [_of(rows, name, own.load, own.connections) for name in names]
        for words, figure, more in [*((*pair, True) for pair in MORE), *((*pair, False) for pair in LESS)]:
            cells = [_cell(_times(own, other, figure, more=more)) for other in others]
            if set(cells) != {"–"}:
                lines.append([f"{own.load}, {connections(own.connections)}: {words}", *cells])
    return markdown(["Nodexa against", *names], lines)


def targets_table(rows: Sequence[Row]) -> str:
    """A line for each peer that Nodexa must be ahead of by a factor."""
    lines = []
    for (load, count, figure), musts in MUST.items():
        name = next(words for words, known in MORE if known is figure)
        for peer, must in musts.items():
            own, other = _of(rows, "nodexa", load, count), _of(rows, peer, load, count)
            measured = None if own is None else _times(own, other, figure, more=True)
            reached = "not measured" if measured is None else "must" if measured >= must else "MISSED"
            lines.append(
                [f"{load}, {connections(count)}: {name} against {peer}", f"≥ {must:g}", _cell(measured), reached]
            )
    return markdown(["target", "must", "measured", "reached"], lines)


def _of(rows: Sequence[Row], server: str, load: str, connections: int) -> Row | None:
    wanted = (server, load, connections)
    return next((row for row in rows if (row.server, row.load, row.connections) == wanted), None)


def _times(own: Row, other: Row | None, figure: _Figure, *, more: bool) -> float | None:
    """None where either load mostly failed, which says nothing."""
    if other is None or any(row.errors > row.requests / 10 for row in (own, other)):
        return None
    ours, theirs = figure(own), figure(other)
    if not ours or not theirs:
        return None
    return ours / theirs if more else theirs / ours


def _cell(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:,.2f}" if ratio < 10 else f"{ratio:,.0f}"
