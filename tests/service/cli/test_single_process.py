"""`nodexa serve --single-process`: one process instead of two, which lives and dies as one."""

from __future__ import annotations

import os
import signal
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import openai
import pytest

from tests.certificates import Authority
from tests.service.cli.served import SECONDS, Served, nodexa, wait_gone

Serve = Callable[..., Served]
SLOW = "slow " + "word " * 400

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@dataclass(frozen=True, slots=True)
class Single:
    """A served Nodexa, and an assistant that writes with the fake model server."""

    served: Served
    assistant_id: str

    @property
    def pid(self) -> int:
        return self.served.children()["single_process"]

    def http(self, **more: Any) -> httpx.Client:
        settings = self.served.quickstart
        return httpx.Client(
            base_url=settings["NODEXA_BASE_URL"],
            headers={"authorization": f"Bearer {settings['NODEXA_API_KEY']}"},
            timeout=SECONDS,
            trust_env=False,
            **more,
        )

    def ask(self, text: str, **more: Any) -> dict[str, Any]:
        """The body of a request."""
        return {"model": self.assistant_id, "input": text, **more}


def single_on(served: Served) -> Single:
    command = ("assistants", "create", "--name", "echo", "--model", "fake", "--data", str(served.data), "--json")
    made = nodexa(*command, cwd=served.data.parent)
    assert made.code == 0, made.err
    return Single(served, made.json["id"])


@pytest.fixture
def data(tmp_path: Path, model_url: str) -> Path:
    """A data directory that knows the fake model server."""
    path = tmp_path / "var"
    path.mkdir(mode=0o700)
    (path / "nodexa.toml").write_text(f'[models.fake]\nkind = "openai_chat"\nbase_url = "{model_url}"\n')
    return path


@pytest.fixture
def single(serve: Serve, data: Path) -> Single:
    return single_on(serve("--single-process").ready())


def first_events(lines: Iterator[str]) -> list[str]:
    """What comes before the first word, and that."""
    seen = []
    for line in lines:
        seen.append(line)
        if "output_text.delta" in line and line.startswith("data:"):
            break
    return seen


def test_one_process_answers_and_a_signal_ends_it_behind_its_streams(single: Single) -> None:
    assert set(single.served.children()) == {"single_process"}
    with (
        single.http() as http,
        openai.OpenAI(
            base_url=f"{single.served.quickstart['NODEXA_BASE_URL']}/v1",
            api_key=single.served.quickstart["NODEXA_API_KEY"],
        ) as sdk,
    ):
        assert http.get("/readyz").status_code == 200
        assert sdk.responses.create(model=single.assistant_id, input="Hello there").output_text == "Hello there"
        pid, begun = single.pid, time.monotonic()
        with http.stream("POST", "/v1/responses", json=single.ask("slow " + "word " * 30, stream=True)) as answer:
            lines = answer.iter_lines()
            first_events(lines)
            os.kill(single.served.process.pid, signal.SIGTERM)
            assert any("response.completed" in line for line in lines)
    code, said = single.served.end(signal.SIGTERM)
    assert (code, "Traceback" in said) == (0, False)
    assert wait_gone(pid, seconds=0)
    assert time.monotonic() - begun < SECONDS


def test_when_it_is_killed_streams_break_and_the_next_one_says_what_became_of_them(single: Single) -> None:
    with single.http() as http:
        with http.stream("POST", "/v1/responses", json=single.ask(SLOW, stream=True)) as answer:
            lines = answer.iter_lines()
            seen = first_events(lines)
            os.kill(single.pid, signal.SIGKILL)
            with pytest.raises(httpx.RemoteProtocolError):
                seen.extend(lines)
        single.served.wait_for(r"Nodexa ended \(killed by SIGKILL\); starting it again at once")
        response_id = next(line for line in seen if '"id":"resp_' in line).partition('"id":"')[2].partition('"')[0]
        left = http.get(f"/v1/responses/{response_id}").json()
        assert (left["status"], left["error"]["code"]) == ("failed", "server_error")
        assert left["output"][0]["content"][0]["text"].startswith("word")
        assert http.get("/readyz").status_code == 200


def test_http_and_grpc_are_encrypted_and_grpc_stays_open(serve: Serve, data: Path) -> None:
    authority = Authority(data.parent)
    own = authority.sign("nodexa")
    files = ("--tls-cert", str(own.cert), "--tls-key", str(own.key))
    single = single_on(serve("--single-process", *files).ready())
    with single.http(verify=ssl.create_default_context(cafile=authority.cert)) as http:
        assert http.base_url.scheme == "https"
        answer = http.post("/v1/responses", json=single.ask("Hello"))
    assert answer.json()["output"][0]["content"][0]["text"] == "Hello"


def test_several_share_the_data_and_the_doors_and_outlive_each_other(serve: Serve, data: Path) -> None:
    served = serve("--single-process", "--bridge-workers", "2").ready()
    several = single_on(served)
    first, second = pids = served.processes("single_process")
    with grpc.insecure_channel(served.quickstart["NODEXA_GRPC"]) as channel:
        grpc.channel_ready_future(channel).result(SECONDS)
    with several.http() as http:
        made = http.post("/v1/responses", json=several.ask("Hello")).json()
        os.kill(first, signal.SIGKILL)
        served.wait_for(r"Process \d ended \(killed by SIGKILL\); starting it again at once")
        until = time.monotonic() + SECONDS
        while len(served.processes("single_process")) < len(pids):
            with several.http() as another:
                assert another.get(f"/v1/responses/{made['id']}").json()["output"] == made["output"]
            assert time.monotonic() < until
    assert served.end(signal.SIGTERM)[0] == 0
    assert wait_gone(second, seconds=0)
