"""How often the promises are put to the test: a little in every run of the tests, a lot in `make soak`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

SOAK: Final = os.environ.get("NODEXA_SOAK") == "1"


def count(ci: int, *, soak: int) -> int:
    """How many there are this time."""
    return soak if SOAK else ci


def measured(promise: str, **figures: float | str) -> None:
    """Keeps what a test measured, as a line of the file that NODEXA_FIGURES names; nowhere without it."""
    if path := os.environ.get("NODEXA_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"promise": promise, **figures}) + "\n")


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them don't exceed: 0.5 is the median."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
