"""`python -m rest_bridge`: serves HTTP in front of a core, on an address of its own or on a socket it inherits."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rest_bridge.server import BACKLOG, serve
from rest_bridge.settings import settings_from
from rest_bridge.tls import core_tls, https_files

GARBAGE: Final = (20_000, 20, 50)
"""After how many new objects unreachable cycles are looked for; Python's own 700 cost a tenth of a request."""
SPARE_FILES: Final = 200
"""What a bridge opens beside its connections, and those that it refuses."""
_EXTRA: Final = ("request_id", "milliseconds", "retry")
_SECRET: Final = re.compile(r"nxk_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+")

log = logging.getLogger("rest_bridge")


class LineFormatter(logging.Formatter):
    """One JSON object a line; keys and tokens are masked wherever they stand."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _SECRET.sub("[secret]", record.getMessage()),
        }
        line |= {name: getattr(record, name) for name in _EXTRA if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = _SECRET.sub("[secret]", self.formatException(record.exc_info))
        return json.dumps(line)


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT; 0 after a clean end, 2 when it can't start."""
    options = _parser().parse_args(arguments)
    _log_lines()
    try:
        settings, tls = settings_from(os.environ), core_tls(os.environ)
        https = https_files(options.tls_cert, options.tls_key)
        listening = _listening(options)
    except (OSError, ValueError) as error:
        print(f"rest_bridge: {error}", file=sys.stderr)  # noqa: T201 - for the person who starts it
        return 2
    allow_files(settings.max_connections)
    # What stands now stands to the end, and most of what comes goes without cycles: look for them seldom.
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, core=options.core, listening=listening, tls=tls, https=https))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rest_bridge", description="The HTTP side of Nodexa.")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--http", metavar="HOST:PORT", default="127.0.0.1:8080", help="where to listen")
    where.add_argument("--fd", type=int, metavar="N", help="an inherited listening socket, shared with other bridges")
    parser.add_argument(
        "--core", metavar="ADDR", default="127.0.0.1:50051", help="the core: host:port or unix:PATH (gRPC)"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM): serves HTTPS")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM)")
    return parser


def _listening(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    host, colon, port = options.http.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"--http takes HOST:PORT, not {options.http!r}.")
    host = host.strip("[]") or "127.0.0.1"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, int(port)), family=family, backlog=BACKLOG)
    scheme = "https" if options.tls_cert else "http"
    log.info("listening on %s://%s:%d", scheme, *listening.getsockname()[:2])
    return listening


def allow_files(connections: int, *, each: int = 1) -> None:
    """Has enough files allowed for these connections, or as many as can be: the system allows few unless it is asked.

    `each` is how many files one connection takes.
    """
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return
    wanted = connections * each + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        fit = max(0, most - SPARE_FILES) // each
        log.warning("the system allows %d open files: set NODEXA_BRIDGE_MAX_CONNECTIONS to %d, or raise it", most, fit)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return None
    return uvloop.Loop


def _log_lines() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
