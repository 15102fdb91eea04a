"""A server under test, and Nodexa as one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import family, free_port, process, wait_for, wait_until_it_answers
from service.settings import EMBEDDED_MODEL


@dataclass(frozen=True, slots=True)
class Target:
    """A running server: where it answers, how to ask, and the process above all of its processes (0: not measured)."""

    name: str
    port: int
    model: str
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/responses"

    def pids(self) -> list[int]:
        """All of its processes."""
        return family(self.pid) if self.pid else []

    def request(self, text: str, *, stream: bool, **fields: Any) -> bytes:
        """A request as it lies on the wire."""
        body = {"model": self.model, "input": text, "stream": stream} | fields
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(data))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | dict(self.headers)).items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + data


@contextmanager
def serving(data: Path, model_port: int) -> Iterator[Target]:
    """Nodexa with everything on, its model server at a port; in the same folder again it finds what it had."""
    http, grpc = free_port(), free_port()
    data.mkdir(exist_ok=True)
    # The embedded model's name too, so that no engine of its own is started.
    kind = f'kind = "openai_chat"\nbase_url = "http://127.0.0.1:{model_port}/v1"\n'
    (data / "nodexa.toml").write_text(f"[models.mock]\n{kind}[models.{EMBEDDED_MODEL}]\n{kind}")
    serve = ["serve", "--no-weights", "--data", str(data), "--http", f"127.0.0.1:{http}", "--grpc", f"127.0.0.1:{grpc}"]
    log = data.parent / "nodexa.log"
    with process([sys.executable, "-m", "service.cli", *serve], log=log) as pid:
        wait_until_it_answers(f"http://127.0.0.1:{http}/readyz", pid, log=log)
        wait_for(data / "quickstart.env", log=log)
        values = dict(line.split("=", 1) for line in (data / "quickstart.env").read_text().splitlines())
        headers = {"x-api-key": values["NODEXA_API_KEY"]}
        yield Target("nodexa", http, values["NODEXA_ASSISTANT_ID"], pid, headers)
