"""A profile becomes a tree of what is worth a line."""

from __future__ import annotations

from bench.tree import grown, told

RAW = [
    "main (service/__main__.py:3);drive (service/runner/run.py:5);dumps (json/__init__.py:1) 60",
    "main (service/__main__.py:3);drive (service/runner/run.py:7) 39",
    "<module> (service/__main__.py:9);rare (service/runner/run.py:1) 1",
]


def test_a_tree_has_our_functions_and_what_of_others_they_called() -> None:
    assert list(told(grown(RAW))) == [
        "  99% service/runner/run.py: drive",
        "  60%   json/__init__.py: dumps",
    ]
