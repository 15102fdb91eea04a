"""Which core is meant: --data before the environment, the environment before ./var, and no key to a stranger."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from service.cli.target import Target, find_target

ENVIRON = {"NODEXA_GRPC": "there:1", "NODEXA_API_KEY": "nxk_there", "NODEXA_ASSISTANT_ID": "asst_there"}


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    text = "# made by Nodexa\nNODEXA_GRPC='unix:/a b/c'\nNODEXA_API_KEY=nxk_here\n\nNODEXA_ASSISTANT_ID=asst_here\n"
    (tmp_path / "var" / "quickstart.env").write_text(text)
    return tmp_path / "var"


def test_a_named_data_directory_wins_over_the_environment(var: Path) -> None:
    assert find_target(var, ENVIRON) == Target("unix:/a b/c", "nxk_here", "asst_here")


@pytest.mark.usefixtures("var")
def test_the_environment_wins_over_the_default_directory() -> None:
    assert find_target(None, ENVIRON) == Target("there:1", "nxk_there", "asst_there")


@pytest.mark.usefixtures("var")
def test_without_either_the_default_directory_says() -> None:
    assert find_target(None, {}) == Target("unix:/a b/c", "nxk_here", "asst_here")


@pytest.mark.usefixtures("var")
def test_another_key_can_be_tried_on_the_core_here() -> None:
    assert find_target(None, {"NODEXA_API_KEY": "nxk_other"}) == Target("unix:/a b/c", "nxk_other", "asst_here")


@pytest.mark.usefixtures("var")
def test_the_key_of_here_is_never_sent_elsewhere() -> None:
    with pytest.raises(click.ClickException, match="NODEXA_API_KEY is missing in the environment"):
        find_target(None, {"NODEXA_GRPC": "there:1"})


def test_nothing_known_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(click.ClickException, match="`nodexa serve`, or say which: --data DIR"):
        find_target(None, {})


def test_a_directory_that_was_never_served_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=f"`nodexa serve --data {tmp_path}` makes it"):
        find_target(tmp_path, ENVIRON)


def test_a_key_does_not_show_in_a_traceback() -> None:
    assert "nxk_there" not in repr(find_target(None, ENVIRON))
