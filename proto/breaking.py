"""Asks `buf breaking` whether the .proto files as they stand break a client of what was promised before.

What was promised is the last release (the newest tag). Before there is one it is the commit at which the branch left
its upstream, or else the last commit. `NODEXA_PROTO_AGAINST=REF` names another. Outside git there is nothing to
compare with: that is said, and no error.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
CANDIDATES = (
    ("describe", "--tags", "--abbrev=0"),
    ("merge-base", "HEAD", "@{upstream}"),
    ("merge-base", "HEAD", "origin/HEAD"),
    ("rev-parse", "--verify", "HEAD"),
)


def main() -> int:
    """Returns the exit status: 0 where nothing breaks or nothing can be compared."""
    reference = os.environ.get("NODEXA_PROTO_AGAINST") or _last_promise()
    if reference is None:
        print("proto: not a git checkout with a commit, so there is no earlier contract to compare with; skipped.")
        return 0
    if _git("rev-parse", "--verify", f"{reference}^{{commit}}") is None:
        print(f"proto: there is no commit {reference!r} here; NODEXA_PROTO_AGAINST takes a tag, a branch or a commit.")
        return 1
    archive = _git("archive", "--format=zip", reference, "--", ".")
    if archive is None:
        print(f"proto: {reference} has no proto/, so there is no earlier contract to compare with; skipped.")
        return 0
    with tempfile.TemporaryDirectory() as before:
        with zipfile.ZipFile(io.BytesIO(archive)) as earlier:
            earlier.extractall(before)
        print(f"proto: compared with {reference}")
        return subprocess.run([_buf(), "breaking", str(ROOT), "--against", before], check=False).returncode


def _last_promise() -> str | None:
    for arguments in CANDIDATES:
        if found := _git(*arguments):
            return found.decode().strip()
    return None


def _git(*arguments: str) -> bytes | None:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _buf() -> str:
    beside_python = Path(sys.executable).parent / "buf"
    return str(beside_python) if beside_python.exists() else shutil.which("buf") or "buf"


if __name__ == "__main__":
    sys.exit(main())
