"""Runs the command line as people do: as processes, read line by line, with a bound on every wait."""

from __future__ import annotations

import json
import os
import queue
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
SECONDS: Final = 30.0
# -P: as the installed command, which does not look for modules where it stands.
COMMAND: Final = (sys.executable, "-P", "-m", "service.cli")


def environment(**more: str) -> dict[str, str]:
    """What every process here starts with: no setting of the machine's own leaks in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'gen'}", "PYTHONUNBUFFERED": "1", **more}


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on the standard output."""
        return json.loads(self.out)


def nodexa(*arguments: str, cwd: Path, text: str | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Runs `nodexa ARGUMENTS` to its end; `text` is piped in."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        input=text if text is not None else "",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


class Running:
    """A process that runs on, and what it prints."""

    def __init__(self, *argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self.process: Final = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._arrived: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, pattern: str, *, seconds: float = SECONDS) -> re.Match[str]:
        """The first match in a line that is still to be read. Fails when the output ends or time is up."""
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in {seconds} s:\n{''.join(self.lines)}") from None
            assert line is not None, f"ended before {pattern!r}:\n{''.join(self.lines)}"
            if match := re.search(pattern, line):
                return match

    def end(self, number: signal.Signals = signal.SIGINT, *, seconds: float = SECONDS) -> tuple[int, str]:
        """Asks it to end; its exit code and everything it printed."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        while self._arrived.get(timeout=seconds) is not None:
            pass
        return code, "".join(self.lines)

    def stop(self) -> None:
        """Leaves nothing behind, whatever happened."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            self._arrived.put(line)
        self._arrived.put(None)


class Served(Running):
    """A `nodexa serve` of its own data directory, on free ports unless told which."""

    def __init__(
        self,
        data: Path,
        *options: str,
        http: int = 0,
        grpc: str = "127.0.0.1:0",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        addresses = ("--http", f"127.0.0.1:{http}", "--grpc", grpc)
        command = (*COMMAND, "serve", "--data", str(data), "--no-weights")
        super().__init__(*command, *addresses, *options, cwd=data.parent, env=env)

    def ready(self) -> Served:
        """Waits until it says that it answers."""
        self.wait_for("Ctrl-C stops everything")
        return self

    @property
    def quickstart(self) -> dict[str, str]:
        """The settings that it wrote for its clients."""
        lines = (self.data / "quickstart.env").read_text().split()
        return dict(line.partition("=")[::2] for line in lines)

    def children(self) -> dict[str, int]:
        """The module and process id of each of its processes."""
        return {module: pid for pid, module in _modules(self.process.pid)}

    def processes(self, module: str) -> list[int]:
        """The ids of all of its processes that run the module, oldest first."""
        return sorted(pid for pid, each in _modules(self.process.pid) if each == module)


def free_port() -> int:
    """A TCP port of this machine that nothing uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_gone(pid: int, *, seconds: float = SECONDS) -> bool:
    """Whether a process that need not be our child ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _modules(parent: int) -> list[tuple[int, str]]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(fields[1]) == parent and "-m" in words:
            found.append((int(folder.name), words[words.index("-m") + 1]))
    return found
