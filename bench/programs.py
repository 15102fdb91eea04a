"""The programs beside a server that is measured, in C where that compiles: a mock model server, a load generator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent / "native"
BUILT: Final = Path(__file__).parent.parent / "build" / "bench"
_FILES: Final[Mapping[str, Sequence[str]]] = {
    "mock": ("mock.c", "replies.c", "chat.c", "responses.c"),
    "load": ("load.c", "answer.c"),
}
_FLAGS: Final = ("-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra")


@dataclass(frozen=True, slots=True)
class Programs:
    """How they are called, each with its arguments behind; `words` says which they are, for reports."""

    mock: Sequence[str]
    load: Sequence[str]
    words: str


@cache
def programs() -> Programs:
    """Those of this machine: in C if `cc` (or what CC names) is here, else in Python."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        return in_python("there is no C compiler here")
    BUILT.mkdir(parents=True, exist_ok=True)
    try:
        mock, load = compiled("mock", found, BUILT), compiled("load", found, BUILT)
    except subprocess.CalledProcessError as error:
        return in_python(f"the C ones didn't compile: {error.stderr.strip().splitlines()[0]}")
    return Programs(
        [str(mock)], [str(load)], "Mock model server and load generator are the C programs of bench/native."
    )


def in_python(why: str) -> Programs:
    """Those in Python."""
    words = f"Mock model server and load generator are the slow ones in Python, and hold Nodexa back: {why}."
    return Programs([sys.executable, "-m", "bench.upstream"], [sys.executable, "-m", "bench.load"], words)


def compiled(name: str, compiler: str, folder: Path) -> Path:
    """A program of bench/native, compiled where it isn't or is older than a source. Raises CalledProcessError."""
    program = folder / name
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        fresh = folder / f"{name}.{os.getpid()}"
        files = [str(SOURCES / file) for file in _FILES[name]]
        subprocess.run([compiler, *_FLAGS, *files, "-o", str(fresh)], check=True, capture_output=True, text=True)
        fresh.replace(program)
    return program
