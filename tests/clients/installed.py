"""The clients that `make test-clients` installs, apart from what Nodexa itself needs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from tests.service.cli.served import ROOT

HERE: Final = ROOT / "tests" / "clients"
PYTHON: Final = ROOT / ".clients" / "bin" / "python"
MODULES: Final = HERE / "node" / "node_modules"


def expect_clients() -> None:
    """Fails the test, and says what to do, where they are missing."""
    missing = [str(path.relative_to(ROOT)) for path in (PYTHON, MODULES) if not path.exists()]
    assert not missing, f"Not installed: {', '.join(missing)}. `make test-clients` does it."


def versions() -> Mapping[str, str]:
    """The pinned version of each package: `pypi NAME` and `npm NAME`."""
    lock = (HERE / "requirements.lock").read_text()
    python = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    node = json.loads((HERE / "node" / "package.json").read_text())["dependencies"]
    return {**{f"pypi {name}": version for name, version in python.items()}, **{f"npm {k}": v for k, v in node.items()}}
