"""How the parts of Nodexa are started as processes of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def module_command(module: str, arguments: Sequence[str]) -> list[str]:
    """The argv of `python -m MODULE ARGUMENTS…`; -P keeps a folder `service` of the user's from being run instead."""
    return [sys.executable, "-P", "-m", module, *arguments]


def import_environment(environ: Mapping[str, str], path: Sequence[str]) -> dict[str, str]:
    """The environment in which a child imports exactly what this process, whose import path is `path`, would."""
    return {**environ, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in path)}


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """What a child of the process `parent` runs before its program, so that a `kill -9` of the parent ends it too.

    The kernel then sends it SIGTERM. Only Linux can; elsewhere this is None.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask
