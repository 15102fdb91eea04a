"""Curves as an SVG drawing: a panel each, both axes logarithmic, nothing but text and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

WIDTH: Final = 320
HEIGHT: Final = 220
ACROSS: Final = 3
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 34, 40
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#333}.title{font-weight:bold}.grid{stroke:#ddd}.line{fill:none;stroke:#0b62a4;"
    "stroke-width:2}.dot{fill:#0b62a4}"
)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points with what they mean; all of them are above 0."""

    title: str
    across: str
    up: str
    points: Sequence[tuple[float, float]]


def draw(curves: Sequence[Curve]) -> str:
    """The drawing, panels from left to right and from top to bottom."""
    rows = ceil(len(curves) / ACROSS)
    size = f'width="{WIDTH * ACROSS}" height="{HEIGHT * rows}"'
    panels = "".join(
        f'<g transform="translate({number % ACROSS * WIDTH},{number // ACROSS * HEIGHT})">{_panel(curve)}</g>\n'
        for number, curve in enumerate(curves)
    )
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{_STYLE}</style>{background}\n{panels}</svg>\n'


def _panel(curve: Curve) -> str:
    xs, ys = _Axis([x for x, _ in curve.points]), _Axis([y for _, y in curve.points])
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def x_of(value: float) -> float:
        return _LEFT + xs.share(value) * (right - _LEFT)

    def y_of(value: float) -> float:
        return bottom - ys.share(value) * (bottom - _TOP)

    parts = [_text(curve.title, _LEFT, 18, anchor="start", kind="title")]
    parts.append(_text(f"{curve.across} → {curve.up}", (_LEFT + right) / 2, HEIGHT - 8))
    for value in xs.marks:
        parts.append(_line(x_of(value), _TOP, x_of(value), bottom))
        parts.append(_text(_short(value), x_of(value), bottom + 14))
    for value in ys.marks:
        parts.append(_line(_LEFT, y_of(value), right, y_of(value)))
        parts.append(_text(_short(value), _LEFT - 5, y_of(value) + 4, anchor="end"))
    places = [(x_of(x), y_of(y)) for x, y in curve.points]
    parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>')
    parts += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    return "".join(parts)


class _Axis:
    """From the power of ten below the values to the one above them."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low = floor(log10(min(values)))
        self._high = max(ceil(log10(max(values))), self._low + 1)
        self.marks = [10.0**power for power in range(self._low, self._high + 1)]

    def share(self, value: float) -> float:
        return (log10(value) - self._low) / (self._high - self._low)


def _text(words: str, x: float, y: float, *, anchor: str = "middle", kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
