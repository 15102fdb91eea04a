"""Reciprocal rank fusion: several rankings become one. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

K: Final = 60
"""How little it matters who stands first: the constant of Cormack, Clarke and Büttcher (2009)."""


def fused(rankings: Sequence[tuple[float, Sequence[int]]]) -> Mapping[int, float]:
    """The score of each passage that stands in a ranking, from 0 to 1: 1 is first in all of them.

    A ranking comes with its weight; the weights are not negative, and not all 0.
    """
    whole = sum(weight for weight, _ in rankings) / (K + 1)
    scores: dict[int, float] = {}
    for weight, ranking in rankings:
        for place, passage in enumerate(ranking, 1):
            scores[passage] = scores.get(passage, 0.0) + weight / (K + place) / whole
    return {passage: min(score, 1.0) for passage, score in scores.items() if score > 0}
