"""What it runs on, and whether that can be measured."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_VERSIONS: Final = ("grpcio", "protobuf", "uvloop", "uvicorn", "httptools", "orjson", "pysqlite3")


def need_linux(name: str) -> None:
    """CPU times come from /proc."""
    if not Path("/proc/self/schedstat").exists():
        raise SystemExit(f"{name} reads CPU times from /proc, which only Linux has.")


@cache
def about() -> str:
    """The machine, how busy it was when this was first asked, and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS if _installed(name))
    busy = f"load average {os.getloadavg()[0]:.1f} at the start"
    return f"{_machine()}, {busy}; Python {platform.python_version()}, {versions}"


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


def _machine() -> str:
    """What it runs on, in one line."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith(("model name", "Model"))
    ]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    name = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores ({name}), {memory:.0f} GB, {platform.system()} {platform.release().split('-')[0]}"
