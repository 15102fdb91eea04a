"""Whether the disk stood still: neighbors may hold up all that is written for tenths of a second, unseen by the pace.

Beside whatever is measured a page of a file is written and synced again and again. How long the slowest of them took
says what nobody on this machine could have had on disk sooner.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

STILL: Final = 20.0
"""Milliseconds. A page that took longer waited for more than its turn."""
_EVERY: Final = 0.02
_PAGE: Final = bytes(4096)


@contextmanager
def watched(folder: Path) -> Iterator[Callable[[], float]]:
    """Watches the disk that a folder is on; what is given says, afterwards, how many ms the slowest page took."""
    (over, stop), (answer, tell) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(stop)
            os.write(tell, str(_slowest(folder / "page", over)).encode())
        finally:
            os._exit(0)
    os.close(over)
    os.close(tell)
    slowest = 0.0
    try:
        yield lambda: slowest
    finally:
        os.close(stop)
        with os.fdopen(answer) as told:
            slowest = float(told.read())
        os.waitpid(child, 0)


def quiet(folder: Path, seconds: float) -> bool:
    """Watches the disk that a folder is on for so many seconds, and says whether it moved all the while."""
    page, until, moved = _opened(folder / "page"), time.monotonic() + seconds, True
    try:
        while time.monotonic() < until:
            moved &= _page_ms(page) <= STILL
            time.sleep(_EVERY)
    finally:
        os.close(page)
    return moved


def _slowest(path: Path, over: int) -> float:
    """Milliseconds of the slowest page until `over` is closed at its other end."""
    slowest, page = 0.0, _opened(path)
    while True:
        slowest = max(slowest, _page_ms(page))
        if select.select([over], [], [], _EVERY)[0]:
            return slowest


def _opened(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)


def _page_ms(page: int) -> float:
    started = time.monotonic()
    os.pwrite(page, _PAGE, 0)
    os.fsync(page)
    return (time.monotonic() - started) * 1000
