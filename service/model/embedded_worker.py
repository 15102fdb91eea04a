"""The engine's own process: loads a GGUF file and serves chat completions on a unix socket until its stdin ends.

It is run by path and imports nothing of ours: `python -P embedded_worker.py`, the settings as one JSON object on the
first line of stdin. It answers with one line: `ready`, or why not. That loading holds the interpreter's lock for
seconds, and that a bad file may end the process, is why it has one of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

CACHE_MIB = 64  # Prompts whose slot went to another conversation; the default is 8 GB.


def main() -> None:
    """Serves until whoever started us is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the core decides when we end.
    settings = json.loads(sys.stdin.readline())
    try:
        server = load(settings)
    except (ImportError, RuntimeError, ValueError) as error:
        answer(f"{type(error).__name__}: {error}")
        return
    answer("ready")
    serve(server)
    shutil.rmtree(Path(settings["socket"]).parent, ignore_errors=True)
    # At once: what is still being generated has nobody left who reads it.
    os._exit(0)


def serve(server: object) -> None:
    """Keeps `server` alive until stdin ends; it works in threads of its own."""
    sys.stdin.read()


def load(settings: dict[str, Any]) -> object:
    """Returns the running engine."""
    import xllamacpp  # noqa: PLC0415 - so that a missing engine is an answer like any other

    params = xllamacpp.CommonParams()
    params.model.path = settings["gguf"]
    if settings["template"]:
        params.chat_template = settings["template"]
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.cache_ram_mib = CACHE_MIB
    params.verbosity = 0
    # Its HTTP server: on a socket in a folder of ours, behind a key, and nothing on it but completions.
    params.hostnames = [settings["socket"]]
    params.api_keys = [settings["key"]]
    params.cors_origins = "http://127.0.0.1"
    params.cors_credentials = False
    params.ui = False
    params.endpoint_slots = False
    return xllamacpp.Server(params)


def answer(line: str) -> None:
    """Writes the one line that is waited for."""
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    finally:
        # Whatever went wrong, a parent that died while the weights were loading too: the engine's own end can hang.
        os._exit(0)
