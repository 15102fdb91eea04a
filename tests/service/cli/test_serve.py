"""`nodexa serve`: two processes under one roof, from the first start to a clean end."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.cli.served import SECONDS, Served, environment, free_port, wait_gone

Serve = Callable[..., Served]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def readyz(served: Served) -> int:
    """The HTTP status of the served bridge's readiness."""
    address = served.quickstart["NODEXA_BASE_URL"].removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_a_private_directory_and_says_where_the_key_is(serve: Serve) -> None:
    served = serve().ready()
    assert mode(served.data) == 0o700
    assert mode(served.data / "quickstart.env") == 0o600
    assert set(served.quickstart) == {"NODEXA_BASE_URL", "NODEXA_API_KEY", "NODEXA_ASSISTANT_ID", "NODEXA_GRPC"}
    said = "".join(served.lines)
    assert f"NODEXA_API_KEY in {served.data / 'quickstart.env'}" in said
    assert served.quickstart["NODEXA_API_KEY"] not in said
    assert served.quickstart["NODEXA_BASE_URL"] in said
    assert served.quickstart["NODEXA_GRPC"] in said


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_first_request_can_be_pasted_into_a_shell(serve: Serve, tmp_path: Path) -> None:
    served = serve(data=tmp_path / "a place's data, #1").ready()
    line = next(line for line in served.lines if "curl" in line)
    pasted = subprocess.run(
        ["sh", "-c", f"{line.strip()} -s -o /dev/null -w '%{{http_code}} %{{content_type}}'"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(NO_PROXY="*"),
    )
    assert pasted.stdout == "200 text/event-stream", pasted.stderr


def test_a_second_start_keeps_the_key_and_answers(serve: Serve) -> None:
    first = serve().ready()
    key = first.quickstart["NODEXA_API_KEY"]
    assert first.end()[0] == 0
    second = serve().ready()
    assert second.quickstart["NODEXA_API_KEY"] == key
    assert readyz(second) == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@linux_only
def test_a_signal_ends_everything_cleanly(serve: Serve, number: signal.Signals) -> None:
    served = serve("--bridge-workers", "2").ready()
    children = served.children()
    assert set(children) == {"service", "rest_bridge"}
    code, said = served.end(number)
    assert code == 0
    assert "Traceback" not in said
    assert all(wait_gone(pid, seconds=0) for pid in children.values())


@linux_only
def test_ctrl_c_in_the_terminal_reaches_the_children_only_through_serve(serve: Serve) -> None:
    served = serve().ready()
    groups = {os.getpgid(pid) for pid in served.children().values()}
    assert os.getpgid(served.process.pid) not in groups


@pytest.mark.parametrize(("module", "name"), [("rest_bridge", "The bridge"), ("service", "The core")])
@linux_only
def test_a_process_that_is_killed_is_started_again_and_that_is_said(serve: Serve, module: str, name: str) -> None:
    served = serve().ready()
    os.kill(served.children()[module], signal.SIGKILL)
    served.wait_for(rf"{name} ended \(killed by SIGKILL\); starting it again at once")
    until = time.monotonic() + SECONDS
    while readyz(served) != 200:
        assert time.monotonic() < until
    assert served.end()[0] == 0


@linux_only
def test_nothing_outlives_a_killed_serve_and_the_next_one_starts(serve: Serve) -> None:
    served = serve(http=free_port(), grpc=f"127.0.0.1:{free_port()}").ready()
    children = served.children()
    served.process.kill()
    assert all(wait_gone(pid) for pid in children.values())
    serve().ready()


@pytest.mark.parametrize("door", ["--http", "--grpc"])
def test_a_port_in_use_is_said_before_anything_starts(serve: Serve, door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        served = serve(door, address)
        served.wait_for(f"Error: {address} is in use by another program: stop that one, or choose another address")
        assert served.process.wait(SECONDS) == 1
    assert "Starting" not in "".join(served.lines)


def test_a_directory_that_is_already_served_is_refused(serve: Serve) -> None:
    serve().ready()
    second = serve()
    second.wait_for("Error: Another `nodexa serve` uses .* Stop it, or name another directory by --data")
    assert second.process.wait(SECONDS) == 1


def test_a_broken_database_ends_serve_with_the_reason(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0o700)
    (tmp_path / "var" / "nodexa.db").write_bytes(b"this is no database " * 1000)
    served = serve()
    served.wait_for(r"Error: The core ended 5 times in a row \(exit code 1\)\. What it said stands above")
    assert served.process.wait(SECONDS) == 1
    assert re.search("not a database", "".join(served.lines))
    assert "Traceback" not in "".join(served.lines)


def test_grpc_may_be_a_unix_socket_and_the_data_directory_deep(serve: Serve, tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 30)
    served = serve(data=deep, grpc=f"unix:{tmp_path / 's'}").ready()
    assert served.quickstart["NODEXA_GRPC"] == f"unix:{tmp_path / 's'}"
    assert readyz(served) == 200
    assert served.end()[0] == 0


def test_a_folder_named_service_in_the_way_is_not_run(serve: Serve, tmp_path: Path) -> None:
    for module in ("service", "rest_bridge"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
        (tmp_path / module / "__main__.py").write_text("raise SystemExit('not this one')")
    assert "not this one" not in "".join(serve().ready().lines)
