"""Which core a command talks to, and with which key: --data, else the environment, else ./var."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

DEFAULT_DATA: Final = Path("var")
QUICKSTART: Final = "quickstart.env"
_TLS: Final = ("NODEXA_GRPC_CA", "NODEXA_GRPC_CERT", "NODEXA_GRPC_KEY")
_NAMES: Final = ("NODEXA_GRPC", "NODEXA_API_KEY", "NODEXA_ASSISTANT_ID", *_TLS)


@dataclass(frozen=True, slots=True)
class Target:
    """A core's gRPC address, the key to use, and the assistant to talk to when none is named (may be empty).

    `ca`, `cert` and `private_key` are files for TLS, empty where it isn't used.
    """

    grpc: str
    api_key: str = field(repr=False)
    assistant_id: str
    ca: str = ""
    cert: str = ""
    private_key: str = ""


def find_target(data: Path | None, environ: Mapping[str, str]) -> Target:
    """What `data` says, else what `environ` and then ./var say. Raises ClickException with what to do."""
    if data is not None:
        return _target(read_quickstart(data / QUICKSTART), source=str(data / QUICKSTART))
    settings = {name: environ[name] for name in _NAMES if environ.get(name)}
    # The key of ./var is never sent to an address from elsewhere.
    if "NODEXA_GRPC" in settings:
        return _target(settings, source="the environment")
    path = DEFAULT_DATA / QUICKSTART
    if not path.exists():
        raise click.ClickException(
            "No core is known. Start one here with `nodexa serve`, or say which: --data DIR (a data directory of this "
            "machine), or NODEXA_GRPC and NODEXA_API_KEY in the environment."
        )
    return _target({**read_quickstart(path), **settings}, source=str(path))


def read_quickstart(path: Path) -> dict[str, str]:
    """The NAME=VALUE lines of a quickstart.env. Raises ClickException with what to do."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise click.ClickException(f"{path} does not exist: `nodexa serve --data {path.parent}` makes it.") from None
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(f"{path} can't be read: check that it is yours.") from None
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): "".join(shlex.split(value)) for name, _, value in pairs}


def _target(settings: Mapping[str, str], *, source: str) -> Target:
    for name in ("NODEXA_GRPC", "NODEXA_API_KEY"):
        if not settings.get(name):
            raise click.ClickException(
                f"{name} is missing in {source}: set it there, or name a data directory by --data."
            )
    files = [settings.get(name, "") for name in _TLS]
    if any(files[1:]) and not all(files):
        raise click.ClickException(
            f"NODEXA_GRPC_CERT and NODEXA_GRPC_KEY in {source} need each other and NODEXA_GRPC_CA."
        )
    return Target(settings["NODEXA_GRPC"], settings["NODEXA_API_KEY"], settings.get("NODEXA_ASSISTANT_ID", ""), *files)
