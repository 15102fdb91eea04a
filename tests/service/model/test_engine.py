"""The engine's process: what can't be loaded is an error, what dies is started again, and nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest
from nodexa.v1.admin_pb2 import Model as ModelConfig

from service.errors import NodexaError
from service.model import weights
from service.model.directory import open_model, problem
from service.model.engine import WORKER, Engine, EngineSettings
from tests.service.model.chat_client import answer, asking

SMALL = EngineSettings(gguf="", template="", slots=1, context=256, threads=1)
BODY = b'{"stream": true, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2000, "ignore_eos": true}'


def embedded(path: Path) -> ModelConfig:
    return ModelConfig(name="b", kind=ModelConfig.KIND_EMBEDDED, gguf=str(path))


@pytest.mark.parametrize("content", [b"nothing", b"GGUF and then nothing", None])
async def test_a_file_that_is_no_model_is_an_error_and_no_crash(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    broken = open_model(embedded(path), environment=os.environ)
    await broken.warm()
    with pytest.raises(NodexaError) as caught:
        await answer(broken, asking("Hi"))
    assert caught.value.code == "upstream_error"
    assert "'b'" in caught.value.message
    await broken.close()


async def test_an_engine_that_died_is_an_error_for_its_turns_and_is_started_again() -> None:
    engine = Engine("m", SMALL, environment=os.environ)
    try:
        stream = (await engine.upstream()).stream(BODY, streaming=True)
        async with asyncio.timeout(60):
            await anext(stream)
            assert engine.pid
            os.kill(engine.pid, signal.SIGKILL)
            with pytest.raises(NodexaError):
                [batch async for batch in stream]
            await engine.ended()
            again = (await engine.upstream()).stream(BODY, streaming=True)
            assert await anext(again)
            await again.aclose()
    finally:
        await engine.close()


async def test_callers_who_come_while_it_loads_share_one_engine_and_may_leave() -> None:
    engine = Engine("m", SMALL, environment=os.environ)
    try:
        first, second = (asyncio.ensure_future(engine.upstream()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(60):
            assert await second is await engine.upstream()
    finally:
        await engine.close()


async def test_closing_ends_the_process_and_leaves_no_socket() -> None:
    engine = Engine("m", SMALL, environment=os.environ)
    await engine.upstream()
    pid, folder = engine.pid, engine.folder
    assert pid
    assert folder
    assert folder.stat().st_mode & 0o077 == 0
    await engine.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(NodexaError):
        await engine.upstream()


def seen_by_everybody(pid: int | None) -> bytes:
    """Returns what the system shows of a process, where it shows it in files."""
    files = (Path(f"/proc/{pid}/{name}") for name in ("environ", "cmdline"))
    return b"".join(file.read_bytes() for file in files if file.exists())


async def test_the_engine_gets_no_secrets_of_others() -> None:
    engine = Engine("m", SMALL, environment={**os.environ, "OPENAI_API_KEY": "sk-canary"})
    try:
        await engine.upstream()
        assert b"canary" not in seen_by_everybody(engine.pid)
    finally:
        await engine.close()


def test_what_is_wrong_with_the_file_is_told_before_anyone_asks(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"nothing")
    assert problem(ModelConfig(name="b", kind=ModelConfig.KIND_EMBEDDED), environment={}) == ""
    assert "can't be read" in problem(embedded(tmp_path / "absent"), environment={})
    assert "not a GGUF file" in problem(embedded(tmp_path / "odd"), environment={})


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / weights.FILE
    path.write_bytes(b"GGUF and then nothing")
    with pytest.raises(ValueError, match="damaged"):
        weights.check(path)


async def test_an_engine_whose_core_died_while_it_loaded_ends_too(tmp_path: Path) -> None:
    settings = {"gguf": str(weights.find("")), "template": "", "slots": 1, "context": 256, "threads": 1}
    line = json.dumps(settings | {"socket": str(tmp_path / "engine" / "s"), "key": "k"}).encode() + b"\n"
    (tmp_path / "engine").mkdir()
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(WORKER), stdin=asyncio.subprocess.PIPE, stdout=writing
    )
    os.close(writing)
    os.close(reading)

    await process.communicate(line)

    assert process.returncode == 0
