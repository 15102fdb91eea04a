"""The processes that are measured: started, waited for, stopped; their CPU time and memory, from /proc."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from bench.programs import programs

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 20.0


class NotStartedError(RuntimeError):
    """A server did not come up; the message says which and shows its last words."""


@contextmanager
def process(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None, files: Sequence[int] = ()
) -> Iterator[int]:
    """Runs a command, its output in a file, and stops it and all it started; gives its process id.

    `files` are open files that it inherits.
    """
    with log.open("ab") as output:
        running = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            pass_fds=files,
        )
    try:
        yield running.pid
    finally:
        # The whole family, because some peers leave their workers behind.
        with suppress(ProcessLookupError):
            running.send_signal(signal.SIGTERM)
        try:
            running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """The mock model server; gives its port."""
    port = free_port()
    with process([*programs().mock, str(port)], log=folder / "upstream.log") as pid:
        wait_until_it_answers(f"http://127.0.0.1:{port}/v1/models", pid, log=folder / "upstream.log")
        yield port


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until_it_answers(url: str, pid: int, *, log: Path, headers: Mapping[str, str] | None = None) -> None:
    """Returns as soon as anything at all is answered; `NotStartedError` if the process ends or the time is up."""
    request = Request(url, headers=dict(headers or {}))  # noqa: S310 - ours
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and _lives(pid):
        try:
            with urlopen(request):  # noqa: S310
                return
        except HTTPError as error:
            if error.code < 500:
                return
        except (URLError, OSError):
            pass
        time.sleep(0.01)
    raise NotStartedError(_last_words(log))


def wait_for(path: Path, *, log: Path) -> None:
    """Returns as soon as a file is there; `NotStartedError` if the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise NotStartedError(_last_words(log))
        time.sleep(0.01)


def _last_words(log: Path) -> str:
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    return " / ".join(last)[-400:] or f"it did not answer within {START_SECONDS:.0f} seconds"


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [int(c) for t in Path(f"/proc/{pid}/task").glob("*/children") for c in t.read_text().split()]
    except OSError:
        children = []
    return [pid, *(below for child in children for below in family(child))]


def runs(pid: int, module: str) -> bool:
    """Whether a process is `python -m MODULE`."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return (b"-m", module.encode()) in pairwise(words)


def cpu_seconds(pids: Sequence[int]) -> float:
    """What the processes have used so far, to the nanosecond, their living threads counted."""
    return sum(seconds for pid in pids for seconds in thread_seconds(pid).values())


def thread_seconds(pid: int) -> dict[int, float]:
    """What each living thread of a process has used so far, by its number."""
    spent = {}
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            spent[int(task.parent.name)] = int(task.read_text().split()[0]) / 1e9
    return spent


def memory_mb(pids: Sequence[int]) -> float:
    """What the processes hold in memory together; a page that several of them share counts once."""
    return sum(_field(pid, "Pss") for pid in pids) / 1e3


def resident_mb(pids: Sequence[int]) -> float:
    """The same, but a page that several of them share counts once for each."""
    return sum(_field(pid, "Rss") for pid in pids) / 1e3


def _field(pid: int, name: str) -> int:
    """In kB."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith(f"{name}:")), 0)


def stop_like_ctrl_c() -> None:
    """A SIGTERM stops what was started too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def allow_files(count: int) -> int:
    """Raises this process's limit of open files, which those that it starts inherit, and says what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        for wanted in ((count, max(hard, count)), (min(count, hard), hard)):
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
                break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
