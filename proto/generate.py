"""Generates the package `nodexa` from the .proto files: `python proto/generate.py [OUT]` (default: gen/).

Called by `make proto` and by the wheel build, so that nothing generated is committed.
"""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PLUGINS = ("--python_out", "--grpc_python_out", "--mypy_out", "--mypy_grpc_out")


def generate(out: Path) -> None:
    """Writes `nodexa/v1/*_pb2*.py` and their type stubs below `out`, replacing what was there.

    Raises SystemExit with protoc's status when a .proto file is wrong.
    """
    shutil.rmtree(out / "nodexa", ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    sources = sorted(str(path) for path in ROOT.glob("nodexa/**/*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{ROOT}", f"-I{well_known}", *(f"{plugin}={out}" for plugin in PLUGINS), *sources]
    if status := protoc.main(arguments):
        raise SystemExit(status)
    for package in (out / "nodexa", out / "nodexa" / "v1"):
        (package / "__init__.py").touch()
        (package / "py.typed").touch()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "gen")
