"""The mock model server and the load generator in C do what those in Python do."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.frames import ID
from bench.processes import free_port, process, wait_until_it_answers
from bench.programs import Programs, compiled, in_python, programs
from bench.shape import Shape
from bench.target import Target
from bench.threads import Talk

COMPILER = shutil.which("cc")
DOORS = ("/v1/chat/completions", "/v1/responses")
SHAPES = (Shape(), Shape(0, calls=2), Shape(3, 1, stamped=True), Shape(8, 2))
_OWN = re.compile(rb"~?\d{%d,}~?" % len(ID))
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """Those of bench/native."""
    folder = tmp_path_factory.mktemp("built")
    mock, load = (str(compiled(name, COMPILER or "", folder)) for name in ("mock", "load"))
    return Programs([mock], [load], "")


@contextmanager
def mock_of(pair: Programs, folder: Path) -> Iterator[int]:
    port, log = free_port(), folder / "log"
    with process([*pair.mock, str(port)], log=log) as pid:
        wait_until_it_answers(f"http://127.0.0.1:{port}/v1/models", pid, log=log)
        yield port


def answer(port: int, path: str, shape: Shape, *, stream: bool) -> bytes:
    """All that comes on the wire, but the ids and stamps, which are each reply's own."""
    end = b"\r\n0\r\n\r\n" if stream else b"}"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(Target("mock", port, "mock", path=path).request(str(shape), stream=stream))
        seen = b""
        while not seen.endswith(end):
            seen += connection.recv(1 << 16)
    return _OWN.sub(b"*", seen)


def load(pair: Programs, port: int, path: str, shape: Shape, kind: str) -> Mapping[str, Any]:
    request = Target("mock", port, "mock", path=path).request(str(shape), stream=kind != "json")
    command = [*pair.load, str(port), "3", "0", "0.1", "10", kind]
    told = subprocess.run(command, input=request, capture_output=True, check=True)
    return dict(json.loads(told.stdout))


def test_both_mocks_say_the_same_bytes(in_c: Programs, tmp_path: Path) -> None:
    asked = [(path, shape, stream) for path in DOORS for shape in SHAPES for stream in (False, True)]
    with mock_of(in_c, tmp_path) as one, mock_of(in_python("a test"), tmp_path) as other:
        for path, shape, stream in asked:
            assert answer(one, path, shape, stream=stream) == answer(other, path, shape, stream=stream)


def test_each_reply_has_ids_of_its_own(in_c: Programs, tmp_path: Path) -> None:
    with mock_of(in_c, tmp_path) as port:
        for path in DOORS:
            target = Target("mock", port, "mock", path=path)
            assert talk(target) != talk(target)


def test_both_load_generators_see_the_same(in_c: Programs, tmp_path: Path) -> None:
    with mock_of(in_c, tmp_path) as port:
        for path, shape, kind in ((DOORS[0], Shape(8), "json"), (DOORS[1], Shape(20), "stream")):
            for pair in (in_c, in_python("a test")):
                seen = load(pair, port, path, shape, kind)
                assert seen["errors"] == 0
                assert seen["events"] == (seen["requests"] * 28 if kind == "stream" else 0)


def test_a_token_is_never_seen_before_it_was_sent(in_c: Programs, tmp_path: Path) -> None:
    with mock_of(in_c, tmp_path) as port:
        for pair in (in_c, in_python("a test")):
            seen = load(pair, port, DOORS[1], Shape(5, 2, stamped=True), "stamped")
            assert 0 < seen["added_p50"] <= seen["added_p99"]


def test_what_goes_wrong_is_told(in_c: Programs, tmp_path: Path) -> None:
    with mock_of(in_c, tmp_path) as port:
        for pair in (in_c, in_python("a test")):
            seen = load(pair, port, "/v1/nothing", Shape(1), "json")
            assert seen["errors"] == seen["requests"]
            assert seen["error"].startswith("404")
            # A chat completion has no event that says it is complete.
            assert "without its end" in load(pair, port, DOORS[0], Shape(1), "stream")["error"]


def test_without_a_server_every_connection_is_an_error(in_c: Programs) -> None:
    for pair in (in_c, in_python("a test")):
        assert load(pair, free_port(), DOORS[0], Shape(1), "json")["errors"] == 3


def test_a_compiler_that_is_not_there_leaves_those_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    found = programs.__wrapped__()
    assert found.mock == in_python("").mock
    assert "no C compiler" in found.words


def talk(target: Target) -> object:
    return Talk(target).ask()["id"]
