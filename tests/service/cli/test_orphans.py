"""A core and a bridge whose `nodexa serve` is gone without a word stop by themselves, on any system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.service.cli.served import COMMAND, SECONDS, environment

COMMANDS = {
    "core": ("core", "--data", "var", "--grpc", "127.0.0.1:0"),
    "bridge": ("bridge", "--http", "127.0.0.1:0", "--core", "unix:nowhere.sock"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_process_stops_when_its_parent_s_end_of_the_pipe_is_gone(tmp_path: Path, command: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        (*COMMAND, *command),
        cwd=tmp_path,
        env=environment(NODEXA_ENDS_WITH_STDIN="1"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin
        assert process.stderr
        while "listening on" not in (line := process.stderr.readline()):
            assert line, "it ended before it listened"
        assert process.poll() is None

        process.stdin.close()

        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait(SECONDS)
