"""Compares vectors, with NumPy. Pure; for threads, never for the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

_NUMBER: Final = np.dtype(np.float32)


def units(vectors: Sequence[bytes]) -> list[bytes]:
    """The vectors, each with the length 1; one without any direction stays as it is."""
    if not vectors:
        return []
    rows = _matrix(vectors)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return [row.tobytes() for row in (rows / np.where(lengths == 0, 1, lengths)).astype(_NUMBER)]


def nearest(
    blocks: Iterable[Sequence[tuple[int, bytes]]], questions: Sequence[bytes], *, limit: int
) -> list[list[int]]:
    """For each question the passages whose vectors point the same way most, at most `limit`, the nearest first.

    All vectors are of one size and of the length 1. What points nowhere near, at a right angle or more, is left out.
    """
    asked = _matrix(questions)
    kept = np.empty(0, dtype=np.int64)
    scores = np.empty((0, len(questions)), dtype=_NUMBER)
    for block in blocks:
        kept = np.concatenate((kept, np.fromiter((passage for passage, _ in block), np.int64, len(block))))
        # A product of matrices would start threads, which cost several times what they save.
        found = np.vecdot(_matrix([data for _, data in block])[:, None, :], asked[None])
        scores = np.concatenate((scores, found))
        chosen = np.unique(_best(scores, limit))
        kept, scores = kept[chosen], scores[chosen]
    return [_ranking(kept, scores[:, number], limit) for number in range(len(questions))]


def _matrix(vectors: Sequence[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.frombuffer(b"".join(vectors), dtype=_NUMBER).reshape(len(vectors), -1)


def _best(
    scores: np.ndarray[tuple[int, int], np.dtype[np.float32]], limit: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows that are among the first `limit` of a column."""
    if len(scores) <= limit:
        return np.arange(len(scores))
    return np.argpartition(-scores, limit - 1, axis=0)[:limit].ravel()


def _ranking(
    kept: np.ndarray[tuple[int], np.dtype[np.int64]], scores: np.ndarray[tuple[int], np.dtype[np.float32]], limit: int
) -> list[int]:
    order = np.argsort(-scores, kind="stable")[:limit]
    return [int(kept[place]) for place in order if scores[place] > 0]
