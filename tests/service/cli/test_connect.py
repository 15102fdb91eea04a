"""`nodexa connect`: texts with the live address and the assistant, and never the key."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import pytest

from service.cli.connect import CLIENTS
from tests.service.cli.conftest import Site
from tests.service.cli.served import Ended

Run = Callable[..., Ended]
ELSEWHERE = {
    "NODEXA_BASE_URL": "https://nodexa.example",
    "NODEXA_GRPC": "nodexa.example:50051",
    "NODEXA_ASSISTANT_ID": "asst_there",
}


def test_without_a_client_all_are_listed(run: Run) -> None:
    lines = run("connect").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(CLIENTS)
    assert [each["client"] for each in run("connect", "--json").json["clients"]] == list(CLIENTS)


def test_every_text_belongs_to_a_client() -> None:
    files = {file.name for file in (resources.files("service.cli") / "clients").iterdir()}
    assert files == {f"{name}.txt" for name in CLIENTS}


def test_a_text_has_the_live_address_the_first_assistant_and_where_the_key_is(site: Site) -> None:
    quickstart = site.served.quickstart
    text = site.ok("connect", "codex").out
    assert f'base_url = "{quickstart["NODEXA_BASE_URL"]}/v1"' in text
    assert f'model = "{quickstart["NODEXA_ASSISTANT_ID"]}"' in text
    assert f". {site.served.data}/quickstart.env" in text
    assert quickstart["NODEXA_API_KEY"] not in text


def test_another_assistant_is_found_by_its_name(site: Site) -> None:
    found = site.ok("assistants", "show", "echo", "--json").json["id"]
    assert f'"model": "{found}"' in site.ok("connect", "curl", "--assistant", "echo").out
    assert f'"model": "{found}"' in site.ok("connect", "curl", "--assistant", found).out


def test_json_says_what_the_text_is_for(site: Site) -> None:
    told = site.ok("connect", "grpc", "--json").json
    assert told.pop("text") == site.ok("connect", "grpc").out
    assert told == {
        "client": "grpc",
        "title": "gRPC, with the generated Python package",
        "language": "python",
        "file": "main.py",
        "key_variable": "NODEXA_API_KEY",
    }


def test_the_environment_names_a_server_elsewhere_and_no_key_is_needed(run: Run) -> None:
    text = run("connect", "openai-python", env=ELSEWHERE).out
    assert 'base_url="https://nodexa.example/v1"' in text
    assert 'assistant = "asst_there"' in text
    assert "export NODEXA_API_KEY=nxk_…" in text
    assert 'insecure_channel("nodexa.example:50051")' in run("connect", "grpc", env=ELSEWHERE).out


def test_a_setting_that_a_text_needs_and_nothing_has_is_named(run: Run) -> None:
    ended = run("connect", "grpc", env={**ELSEWHERE, "NODEXA_GRPC": ""})
    assert (ended.code, ended.out) == (1, "")
    assert "NODEXA_GRPC is missing in the environment" in ended.err


@pytest.mark.parametrize("value", ['https://x";import os', "https://x'", "https://x\ny"])
def test_a_value_that_would_break_a_program_is_refused(run: Run, value: str) -> None:
    ended = run("connect", "curl", env={**ELSEWHERE, "NODEXA_BASE_URL": value})
    assert (ended.code, ended.out) == (1, "")
    assert "NODEXA_BASE_URL in the environment has characters that can't stand in a program" in ended.err


def test_without_any_server_the_error_says_what_to_do(run: Run) -> None:
    ended = run("connect", "curl")
    assert ended.code == 1
    assert "Start one here with `nodexa serve`, or say which: --data DIR" in ended.err


def test_an_unknown_client_is_refused_with_those_that_exist(run: Run) -> None:
    ended = run("connect", "emacs")
    assert ended.code == 2
    assert all(f"'{name}'" in ended.err for name in CLIENTS)
