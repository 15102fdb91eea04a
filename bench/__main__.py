"""`make bench`: Nodexa with everything on, against a mock model server; prints a table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import uvloop

from bench.load import Measured, run

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A running Nodexa: where it answers, how to ask, and the process above all of its processes."""

    port: int
    key: str
    assistant: str
    pid: int

    def request(self, *, stream: bool) -> bytes:
        """The same request again and again."""
        body = json.dumps({"model": self.assistant, "input": "Say something.", "stream": stream}).encode()
        head = (
            "POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"x-api-key: {self.key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@contextmanager
def running(folder: Path) -> Iterator[Target]:
    """Nodexa and its mock model server as processes of their own, on free ports."""
    upstream, http, grpc = (_free_port() for _ in range(3))
    data = folder / "var"
    data.mkdir()
    (data / "nodexa.toml").write_text(
        f'[models.mock]\nkind = "openai_chat"\nbase_url = "http://127.0.0.1:{upstream}/v1"\n'
    )
    serve = ["-m", "service.cli", "serve", "--no-weights", "--data", str(data)]
    serve += ["--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"]
    with (
        _process(["-m", "bench.upstream", str(upstream)]),
        _process(serve) as supervisor,
    ):
        _wait_ready(http, supervisor)
        values = dict(line.split("=", 1) for line in (data / "quickstart.env").read_text().splitlines())
        create = ["-m", "service.cli", "--data", str(data), "assistants", "create", "--name", "b", "--model", "mock"]
        made = subprocess.run([sys.executable, *create, "--json"], check=True, capture_output=True)
        yield Target(http, values["NODEXA_API_KEY"], json.loads(made.stdout)["id"], supervisor.pid)


@contextmanager
def _process(arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_ready(port: int, supervisor: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and supervisor.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz"):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("Nodexa didn't start; run `make run` to see why.")


def _family(pid: int) -> list[int]:
    children = [int(c) for t in Path(f"/proc/{pid}/task").glob("*/children") for c in t.read_text().split()]
    return [pid, *(below for child in children for below in _family(child))]


def _cpu_seconds(pids: Sequence[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else float("nan")


def _row(name: str, connections: int, seconds: float, cpu: float, seen: Measured) -> str:
    requests = max(1, len(seen.latencies))
    per_event = f"{cpu / seen.events * 1e6:8.1f}" if seen.events else "       -"
    return (
        f"{name:6} {connections:5} {requests / seconds:9.0f} {seen.events / seconds:9.0f} "
        f"{_percentile(seen.latencies, 0.5):8.1f} {_percentile(seen.latencies, 0.99):8.1f} "
        f"{_percentile(seen.first_bytes, 0.5):8.1f} {cpu / requests * 1e6:9.0f} {per_event} {seen.errors:6}"
    )


async def _measure(target: Target, seconds: float, connections: Sequence[int]) -> None:
    pids = _family(target.pid)
    print(f"{'load':6} {'conns':>5} {'req/s':>9} {'events/s':>9} {'p50 ms':>8} {'p99 ms':>8} ", end="")
    print(f"{'first ms':>8} {'cpu us/rq':>9} {'cpu us/ev':>8} {'errors':>6}")
    for stream in (False, True):
        for count in connections:
            await run(target.port, target.request(stream=stream), connections=count, seconds=0.5)
            before, started = _cpu_seconds(pids), time.perf_counter()
            seen = await run(target.port, target.request(stream=stream), connections=count, seconds=seconds)
            took = time.perf_counter() - started
            print(_row("SSE" if stream else "JSON", count, took, _cpu_seconds(pids) - before, seen), flush=True)


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Nodexa against a mock model server.")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each load lasts (default: 5)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], help="default: 1 16 64")
    given = parser.parse_args()
    if not Path("/proc/self/task").exists():
        raise SystemExit("make bench reads CPU times from /proc, which only Linux has.")
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}; 200 tokens a reply")
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as target:
        uvloop.run(_measure(target, given.seconds, given.connections))


if __name__ == "__main__":
    main()
