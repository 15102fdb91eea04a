"""Rankings are combined by their ranks, and the nearest vectors are found block by block."""

from __future__ import annotations

import random
from array import array

import pytest

from service.knowledge.fusion import fused
from service.knowledge.nearest import nearest, units


def vector(*numbers: float) -> bytes:
    return array("f", numbers).tobytes()


def test_who_stands_first_in_all_rankings_has_the_score_one() -> None:
    assert fused([(1, [7, 8]), (1, [7])])[7] == pytest.approx(1)
    assert fused([(1, [7, 8]), (1, [])]) == pytest.approx({7: 0.5, 8: 61 / 62 / 2})


def test_weights_say_which_ranking_counts() -> None:
    scores = fused([(3, [1, 2]), (1, [2, 1])])
    assert scores[1] > scores[2]
    assert fused([(0, [1]), (2, [2])]) == {2: 1.0}


def test_vectors_get_the_length_one_and_nothing_stays_nothing() -> None:
    assert units([vector(3, 4), vector(0, 0)]) == [vector(0.6, 0.8), vector(0, 0)]
    assert units([]) == []


def test_the_nearest_are_found_in_any_blocks() -> None:
    chance = random.Random(7)
    rows = list(enumerate(units([vector(*(chance.gauss(0, 1) for _ in range(8))) for _ in range(300)])))
    questions = [data for _, data in rows[:3]]

    def near(question: bytes) -> list[int]:
        asked = array("f", question)
        scores = {place: sum(a * b for a, b in zip(array("f", data), asked, strict=True)) for place, data in rows}
        return [place for place in sorted(scores, key=lambda place: -scores[place])[:20] if scores[place] > 0]

    expected = [near(question) for question in questions]
    for size in (1, 7, 300):
        blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
        assert nearest(blocks, questions, limit=20) == expected


def test_what_points_elsewhere_is_not_near() -> None:
    rows = [(1, vector(1, 0)), (2, vector(0, 1)), (3, vector(-1, 0))]
    assert nearest([rows], [vector(1, 0)], limit=3) == [[1]]
    assert nearest([], [vector(1, 0)], limit=3) == [[]]
