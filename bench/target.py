"""A server under test, and Nodexa as one, in each of the ways to run it."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from bench.processes import START_SECONDS, NotStartedError, family, free_port, process, wait_for, wait_until_it_answers
from service.settings import EMBEDDED_MODEL


@dataclass(frozen=True, slots=True)
class Target:
    """A running server: where it answers, how to ask, and the processes above all of its own (none: unmeasured)."""

    name: str
    port: int
    model: str
    roots: Sequence[int] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/responses"

    def pids(self) -> list[int]:
        """All of its processes."""
        return [pid for root in self.roots for pid in family(root)]

    def request(self, text: str, *, stream: bool, **fields: Any) -> bytes:
        """A request as it lies on the wire."""
        body = {"model": self.model, "input": text, "stream": stream} | fields
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(data))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | dict(self.headers)).items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + data


@contextmanager
def serving(data: Path, model_port: int, *, name: str = "nodexa", options: Sequence[str] = ()) -> Iterator[Target]:
    """`nodexa serve` with everything on, its model server at a port; in the same folder again it finds what it had."""
    http, grpc, log = free_port(), free_port(), data.parent / "nodexa.log"
    _prepare(data, model_port)
    serve = ["serve", "--no-weights", "--data", str(data), "--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"]
    with process([sys.executable, "-m", "service.cli", *serve, *options], log=log) as pid:
        yield _ready(name, data, http, [pid], log=log)


@contextmanager
def sharing(data: Path, model_port: int, *, name: str, cores: int = 2) -> Iterator[Target]:
    """Several cores on one data directory, each with a bridge of its own; the bridges share one port."""
    log, roots = data.parent / "nodexa.log", []
    _prepare(data, model_port)
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        for number in range(cores):
            address = f"unix:{data}/{number}.sock"
            command = [sys.executable, "-m", "service", "--data", str(data), "--shared", "--grpc", address]
            roots.append(stack.enter_context(process(command, log=log)))
            with grpc.insecure_channel(address) as channel:
                try:
                    grpc.channel_ready_future(channel).result(START_SECONDS)
                except grpc.FutureTimeoutError:
                    raise NotStartedError(f"its core {number} does not answer") from None
            command = [sys.executable, "-m", "rest_bridge", "--fd", str(door.fileno()), "--core", address]
            roots.append(stack.enter_context(process(command, log=log, files=[door.fileno()])))
        yield _ready(name, data, door.getsockname()[1], roots, log=log)


def _prepare(data: Path, model_port: int) -> None:
    data.mkdir(parents=True, exist_ok=True)
    # The embedded model's name too, so that no engine of its own is started.
    kind = f'kind = "openai_chat"\nbase_url = "http://127.0.0.1:{model_port}/v1"\n'
    (data / "nodexa.toml").write_text(f"[models.mock]\n{kind}[models.{EMBEDDED_MODEL}]\n{kind}")


def _ready(name: str, data: Path, http: int, roots: Sequence[int], *, log: Path) -> Target:
    wait_until_it_answers(f"http://127.0.0.1:{http}/readyz", roots[-1], log=log)
    wait_for(data / "quickstart.env", log=log)
    values = dict(line.split("=", 1) for line in (data / "quickstart.env").read_text().splitlines())
    headers = {"x-api-key": values["NODEXA_API_KEY"]}
    return Target(name, http, values["NODEXA_ASSISTANT_ID"], roots, headers)
