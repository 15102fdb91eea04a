"""What is installed is what was reviewed: pins, hashes, floors, and nothing generated in the repository."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
WEIGHTS_LOCK = ROOT / "service" / "model" / "weights.lock"
CLIENT_LOCKS = sorted((ROOT / "tests" / "clients").glob("*.lock"))
NODE_LOCKS = [ROOT / "tests" / folder / "node" / "package-lock.json" for folder in ("sdk", "clients")]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(.*(?:\n    .*)*)", re.MULTILINE)
OWN = {"service", "rest_bridge", "bridge_link", "single_process", "nodexa"}
NOT_IMPORTED = {"pip"}  # run as a command
DIRECT = re.compile(r"^([A-Za-z0-9._-]+)==(?:(?!^[A-Za-z]).*\n)*?\s+#.*nodexa \(pyproject\.toml\)$", re.MULTILINE)
FLOOR = re.compile(r"([A-Za-z0-9._-]+)(>=|==)([^;\s]+)")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def floors(requirements: list[str]) -> dict[str, str]:
    """Name → version of `name>=version` and `name==version`; anything else fails."""
    found = [FLOOR.match(requirement) for requirement in requirements]
    return {match[1]: match[3] for match in found if match is not None}


def pins(lock: Path) -> dict[str, str]:
    """Name → version of every pin in a lock file."""
    return {match[1]: match[2] for match in PIN.finditer(lock.read_text())}


def imported_distributions(*folders: str) -> list[set[str]]:
    """For each foreign package that is imported below the folders: the installed distributions that provide it."""
    trees = (ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    modules = {
        name.partition(".")[0]
        for tree in trees
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    provided = importlib.metadata.packages_distributions()
    # Some spell themselves with capitals, and an index knows none.
    return [{name.lower() for name in provided[module]} for module in sorted(modules - OWN - sys.stdlib_module_names)]


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def test_every_grpc_floor_is_the_version_of_the_pinned_generator() -> None:
    project = pyproject()["project"]
    generator = floors(project["optional-dependencies"]["dev"])["grpcio-tools"]
    grpc = {name: floor for name, floor in floors(project["dependencies"]).items() if name.startswith("grpcio")}
    assert grpc == dict.fromkeys(["grpcio", "grpcio-health-checking", "grpcio-reflection", "grpcio-status"], generator)


def test_the_protobuf_floor_is_the_version_the_generated_code_asks_for() -> None:
    from nodexa.v1 import item_pb2

    head = Path(str(item_pb2.__file__)).read_text()[:1000]
    asked = re.search(r"^# Protobuf Python Version: (\S+)$", head, re.MULTILINE)
    assert asked is not None
    assert floors(pyproject()["project"]["dependencies"])["protobuf"] == asked[1]


def test_the_wheel_build_and_the_checkout_use_the_same_generator() -> None:
    configuration = pyproject()
    build = set(configuration["build-system"]["requires"])
    assert build <= set(configuration["project"]["optional-dependencies"]["dev"])
    assert {requirement.partition("==")[0] for requirement in build if "==" in requirement} == {
        "grpcio-tools",
        "mypy-protobuf",
    }


def test_every_dependency_has_a_floor_and_a_pin_at_or_above_it() -> None:
    project = pyproject()["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["dev"]
    asked, pinned = floors(declared), pins(LOCK)
    assert len(asked) == len(declared)
    assert {name for name, floor in asked.items() if parts(pinned[name]) < parts(floor)} == set()


def test_what_the_lock_was_made_from_is_what_is_declared_today() -> None:
    project = pyproject()["project"]
    extras = project["optional-dependencies"].values()
    declared = set(floors(project["dependencies"])).union(*map(floors, extras))
    assert {match[1] for match in DIRECT.finditer(LOCK.read_text())} == declared


def test_nothing_is_installed_but_by_its_hash() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    installs = [line for line in lines if re.match(r"\t.*\$\((CLIENT_)?PIP\) |\t.*\bpip install\b", line)]
    assert len(installs) >= 5
    # This checkout itself has no hash, and the tool that writes the locks installs nothing for anybody.
    own = ("--no-deps --no-build-isolation --editable .", "$(UV)")
    assert [line for line in installs if "--require-hashes" not in line and not any(word in line for word in own)] == []
    assert not [line for line in lines if re.search(r"\bnpm (install|i|add)\b", line)]


def test_every_lock_file_is_looked_at_here() -> None:
    listed = subprocess.run(["git", "ls-files", "*lock*"], cwd=ROOT, capture_output=True, text=True, check=False)
    locks = {ROOT / line for line in listed.stdout.splitlines() if re.search(r"(\.lock|lock\.(json|yaml))$", line)}
    assert locks <= {LOCK, WEIGHTS_LOCK, *CLIENT_LOCKS, *NODE_LOCKS}


def test_what_is_checked_before_a_change_lands_is_installed_by_make() -> None:
    steps = (ROOT / ".ci" / "run").read_text()
    assert "make test" in steps
    assert not re.search(r"\b(pip|npm|uv|curl|wget)\b", steps)


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = pyproject()["project"]
    extras = [needed for extra, needed in project["optional-dependencies"].items() if extra != "dev"]
    declared = set(floors(project["dependencies"])).union(*map(floors, extras))
    imported = imported_distributions("service", "rest_bridge", "bridge_link", "single_process")
    assert [providers for providers in imported if not providers & declared] == []
    assert declared - set().union(*imported) == NOT_IMPORTED


def test_what_an_extra_brings_is_there_for_the_tests() -> None:
    extras = pyproject()["project"]["optional-dependencies"]
    dev = floors(extras["dev"])
    wanted = {name: floor for extra in extras if extra != "dev" for name, floor in floors(extras[extra]).items()}
    assert {name: dev.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("lock", [LOCK, WEIGHTS_LOCK, *CLIENT_LOCKS], ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_pin_carries_its_hashes(lock: Path) -> None:
    found = list(PIN.finditer(lock.read_text()))
    assert found
    assert [match[1] for match in found if "--hash=sha256:" not in match[3]] == []


@pytest.mark.parametrize("lock", [LOCK, WEIGHTS_LOCK], ids=lambda lock: lock.name)
def test_a_lock_holds_nothing_but_exact_pins(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith(("#", "--hash="))]
    assert [line for line in lines if not PIN.match(line)] == []


@pytest.mark.parametrize(
    "lock", [LOCK, WEIGHTS_LOCK, *CLIENT_LOCKS, *NODE_LOCKS], ids=lambda lock: str(lock.relative_to(ROOT))
)
def test_no_lock_names_a_registry_or_a_local_path(lock: Path) -> None:
    told = re.sub(r'"funding": {[^}]*}', "", lock.read_text())
    assert re.findall(r'\w+://\S+|"resolved"|^-[-\w]+.*|@ \S+', told, re.MULTILINE) == []


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda lock: lock.parent.parent.name)
def test_every_node_package_is_pinned_exactly_and_with_its_integrity(lock: Path) -> None:
    asked = json.loads((lock.parent / "package.json").read_text())["dependencies"]
    assert "openai" in asked
    assert [version for version in asked.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    packages = json.loads(lock.read_text())["packages"]
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_nothing_generated_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    generated = re.compile(r"(^|/)(gen|node_modules|dist|var|\.venv)/|_pb2(_grpc)?\.pyi?$")
    assert [path for path in listed.stdout.splitlines() if generated.search(path)] == []
