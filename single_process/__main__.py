"""`python -m single_process --fd 3 --data var`: a core and its bridge on one event loop, with no connection between."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    # A start makes what stays: looking for garbage in it is a tenth of its time. `running` looks again.
    gc.disable()

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import uvloop

from rest_bridge import settings as bridge_settings
from rest_bridge.__main__ import LineFormatter, allow_files
from rest_bridge.core import Core
from rest_bridge.local import Local
from rest_bridge.routes.call import Bridge
from rest_bridge.server import Server
from rest_bridge.tls import HttpsFiles, https_files
from service.__main__ import NOT_STARTED, heed_signals, read_settings, running
from service.journal import write_to_stderr
from service.server import NO_KINDS
from service.settings import Settings

FILES_A_CONNECTION: Final = 2
"""That of a client, and one to a model server that answers it."""

log = logging.getLogger("single_process")


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT; the exit status is 0 then, and 1 when it can't start.

    The arguments are those of `python -m service`, and `--fd`, the listening socket for HTTP.
    """
    _log_lines()
    # Whatever is made here is for its owner only, in whatever folder.
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="python -m single_process", add_help=False, allow_abbrev=False)
    parser.add_argument("--fd", type=int, required=True)
    given, others = parser.parse_known_args(arguments)
    try:
        settings = replace(read_settings(others), processes=1)
        limits = bridge_settings.settings_from(os.environ)
        https = https_files(settings.tls.cert, settings.tls.key) if settings.tls else None
        allow_files(limits.max_connections, each=FILES_A_CONNECTION)
        uvloop.run(_run(settings, limits, socket.socket(fileno=given.fd), https))
    except NOT_STARTED as error:
        log.error("%s", error)
        return 1
    return 0


def _log_lines() -> None:
    write_to_stderr()
    lines = logging.StreamHandler()
    lines.setFormatter(LineFormatter())
    bridge = logging.getLogger("rest_bridge")
    bridge.addHandler(lines)
    bridge.propagate = False
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


async def _run(
    settings: Settings, limits: bridge_settings.Settings, listening: socket.socket, https: HttpsFiles | None
) -> None:
    stopped = asyncio.Event()
    heed_signals(stopped.set)
    async with running(settings, NO_KINDS) as core:
        way = Local(core.bridges.join)
        bridge = Server(Bridge(Core(way), limits), https=https)
        heed_signals(bridge.stop)
        try:
            if not stopped.is_set():
                await bridge.serve_on(listening)
        finally:
            await way.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
