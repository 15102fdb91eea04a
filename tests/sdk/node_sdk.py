"""Where the Node SDK is, for tests that must fail in words where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Run = Callable[..., Any]
"""Runs a program with arguments: what it reports."""
PROGRAMS: Final = Path(__file__).parent / "node"
MODULES: Final = PROGRAMS / "node_modules"
_ADVICE: Final = (
    "`make test` installs what the Node SDK's tests need, except Node itself (18 or newer). "
    "To leave these tests out: NODEXA_SKIP_NODE=1 make test"
)


def expect_node() -> None:
    """Fails the test, and says what to do, where Node or the SDK is missing."""
    assert shutil.which("node"), f"There is no node here. {_ADVICE}"
    assert (MODULES / "openai").is_dir(), f"The Node SDK is not installed. {_ADVICE}"
