"""Generates the package `nodexa` from the .proto files: `python proto/generate.py [OUT]` (default: gen/).

Called by `make proto` and by the wheel build, so that nothing generated is committed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PLUGINS = ("--python_out=", "--grpc_python_out=", "--mypy_out=quiet:", "--mypy_grpc_out=quiet:")


def generate(out: Path) -> None:
    """Writes `nodexa/v1/*_pb2*.py` and their type stubs below `out`, replacing what was there.

    What was there stays when a .proto file is wrong; SystemExit then carries protoc's status.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".generating-") as scratch:
        _run_protoc(Path(scratch))
        package = Path(scratch) / "nodexa"
        for folder in (package, package / "v1"):
            (folder / "__init__.py").touch()
            (folder / "py.typed").touch()
        shutil.rmtree(out / "nodexa", ignore_errors=True)
        package.rename(out / "nodexa")


def _run_protoc(out: Path) -> None:
    sources = sorted(str(path) for path in ROOT.glob("nodexa/**/*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    # protoc looks for its plugins on PATH, where those of a virtual environment that is not activated are not.
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    outputs = [f"{plugin}{out}" for plugin in PLUGINS]
    if status := protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known}", *outputs, *sources]):
        raise SystemExit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "gen")
