"""The data directory of `nodexa serve`: made, locked, and with a place for the socket inside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click

from service.cli.addresses import socket_problem

_LOCK_SECONDS: Final = 3.0
_LOCK_PAUSE: Final = 0.1


def make_directory(data: Path) -> Path:
    """The absolute path of the directory, which nobody else can read if it is made here. Raises ClickException."""
    path = data.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"The data directory {path} can't be made: {error.strerror}.") from None
    return path


@contextlib.contextmanager
def locked(directory: Path, *, say: Callable[[str], None]) -> Iterator[int]:
    """A lock that lives as long as this process or a child that inherits it: two cores on one store would fight.

    Children whose supervisor was killed may still be draining; they are waited for. Raises ClickException.
    """
    try:
        lock = os.open(directory / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.ClickException(f"The data directory {directory} can't be written: {error.strerror}.") from None
    try:
        if not _lock_now(lock):
            say(f"Another `nodexa serve` still uses {directory}; waiting for it to end …")
            _wait_for_lock(lock, directory)
        yield lock
    finally:
        os.close(lock)


@contextlib.contextmanager
def unused(directory: Path) -> Iterator[None]:
    """Keeps every core out of the directory for as long as the block lasts. Raises ClickException where one is in."""
    names = ("serve.lock", "nodexa.lock")
    with contextlib.ExitStack() as stack:
        for name in names:
            lock = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, lock)
            if not _lock_now(lock):
                raise click.ClickException(f"A core uses {directory}: stop it first, or name another by --data.")
        yield


@contextlib.contextmanager
def inner_socket(directory: Path) -> Iterator[Path]:
    """Where bridges find the core: in the data directory, or somewhere private where that path can't be used."""
    path = directory / "core.sock"
    if not socket_problem(path):
        yield path
        return
    private = Path(tempfile.mkdtemp(prefix="nodexa-"))
    try:
        yield private / "core.sock"
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _lock_now(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(lock: int, directory: Path) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while not _lock_now(lock):
        if time.monotonic() > until:
            raise click.ClickException(
                f"Another `nodexa serve` uses {directory}. Stop it, or name another directory by --data."
            )
        time.sleep(_LOCK_PAUSE)
