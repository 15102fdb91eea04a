"""The commands themselves: what they print where nothing runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from service.cli.app import COMMANDS
from tests.service.cli.served import Ended, free_port

Run = Callable[..., Ended]


def test_help_lists_every_command(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert all(f"\n  {name} " in ended.out for name in COMMANDS)


@pytest.mark.parametrize("target", COMMANDS.values())
def test_every_command_of_the_table_exists_and_is_described(target: str) -> None:
    module, _, attribute = target.partition(":")
    assert getattr(import_module(module), attribute).help


def test_the_version_is_said(run: Run) -> None:
    assert run("--version").out.startswith("nodexa ")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert run("serv").code == 2


def test_an_unknown_scope_is_refused_with_those_that_exist(run: Run) -> None:
    ended = run("keys", "create", "--name", "n", "--scope", "admin")
    assert ended.code == 2
    assert "'full_access', 'assistant', 'user'" in ended.err


def test_without_a_core_the_error_says_what_to_do(run: Run) -> None:
    ended = run("keys", "list")
    assert ended.code == 1
    assert "Start one here with `nodexa serve`, or say which: --data DIR" in ended.err


def test_a_core_that_does_not_answer_is_named(run: Run) -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = run("models", "list", env={"NODEXA_GRPC": address, "NODEXA_API_KEY": "nxk_x"})
    assert ended.code == 1
    assert ended.err.startswith(f"Error: No core answers at {address}.")


def test_core_and_bridge_are_the_modules_themselves(run: Run) -> None:
    assert "--data" in run("core", "--help").out
    assert "--core" in run("bridge", "--help").out


def test_grpc_beyond_this_machine_needs_to_be_asked_for(run: Run) -> None:
    ended = run("serve", "--grpc", "0.0.0.0:50051")
    assert ended.code == 2
    assert "add --insecure" in ended.err
