"""How many times better Nodexa was than each of its peers, and how many times better it must be.

Each round has a ratio of its own, of two rows that were measured one soon after the other; told is the median.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
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
    for load in dict.fromkeys(_load_of(row) for row in rows if row.server == "nodexa"):
        for words, figure, more in [*((*pair, True) for pair in MORE), *((*pair, False) for pair in LESS)]:
            cells = [_cell(_times(rows, name, load, figure, more=more)) for name in names]
            if set(cells) != {"–"}:
                lines.append([f"{load[0]}, {connections(load[1])}: {words}", *cells])
    return markdown(["Nodexa against", *names], lines)


def targets_table(rows: Sequence[Row]) -> str:
    """A line for each peer that Nodexa must be ahead of by a factor."""
    lines = []
    for (load, count, figure), musts in MUST.items():
        name = next(words for words, known in MORE if known is figure)
        for peer, must in musts.items():
            times = _times(rows, peer, (load, count), figure, more=True)
            reached = "not measured" if not times else "must" if median(times) >= must else "MISSED"
            words = f"{load}, {connections(count)}: {name} against {peer}"
            lines.append([words, f"≥ {must:g}", _cell(times), reached, ", ".join(map(_short, times)) or "–"])
    return markdown(["target", "must", "measured", "reached", "by rounds"], lines)


def _times(rows: Sequence[Row], peer: str, load: tuple[str, int], figure: _Figure, *, more: bool) -> list[float]:
    """How many times better in each round; none where a load mostly failed in any of them, which says nothing."""
    own, other = (
        {row.round: row for row in rows if row.server == server and _load_of(row) == load}
        for server in ("nodexa", peer)
    )
    if any(row.errors > row.requests / 10 for row in (*own.values(), *other.values())):
        return []
    pairs = [(figure(own[number]), figure(other[number])) for number in own if number in other]
    return [ours / theirs if more else theirs / ours for ours, theirs in pairs if ours and theirs]


def _load_of(row: Row) -> tuple[str, int]:
    return row.load, row.connections


def _cell(times: Sequence[float]) -> str:
    return _short(median(times)) if times else "–"


def _short(ratio: float) -> str:
    return f"{ratio:,.2f}" if ratio < 10 else f"{ratio:,.0f}"
