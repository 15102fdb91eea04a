"""The CPU of a process is divided into pieces that add up to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.pieces import LOOP, OTHERS, PIECES, SYSTEM, piece, shares

SAMPLES = [
    "thread (7): MainThread;main (service/__main__.py:3);drive (service/runner/run.py:5);dumps (json/__init__.py:1) 50",
    "thread (7): MainThread;main (service/__main__.py:3);run (uvloop/__init__.py:9) 25",
    "thread (8): nodexa-write;run (threading.py:9);write (service/store/database.py:2) 5",
]


def test_each_thread_has_its_own_time_and_the_interpreter_a_part_of_it() -> None:
    found = shares(SAMPLES, "core", {7: 0.8, 8: 0.15, 9: 0.05}, sample=0.01)
    names = ["run: start, driving, end", LOOP, "store: SQL, transactions, the log", SYSTEM, OTHERS]
    assert [found[name] for name in names] == pytest.approx([0.5, 0.25, 0.15, 0.05, 0.05])


def test_a_busy_machine_does_not_make_more_time_than_was_used() -> None:
    assert sum(shares(SAMPLES, "core", {7: 0.1}, sample=0.01).values()) == pytest.approx(1)


def test_every_beginning_of_a_path_is_of_something_that_is_there() -> None:
    root = Path(__file__).parents[2]
    starts = [start for pieces in PIECES.values() for start, _ in pieces]
    assert [start for start in starts if not list(root.glob(f"{start}*"))] == []


def test_a_stack_belongs_to_the_innermost_function_of_ours() -> None:
    assert piece(["service/runner/run.py", "service/store/log.py"], "core").startswith("store")
    assert piece([], "bridge") == LOOP
