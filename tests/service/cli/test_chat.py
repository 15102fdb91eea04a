"""`nodexa chat`, from a pipe and in a terminal, with a real core and a fake model server behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.cli.conftest import Site
from tests.service.cli.served import COMMAND, SECONDS, environment

PROMPT = "you> "


class Terminal:
    """`nodexa chat` in a terminal: what is typed and what is seen."""

    def __init__(self, site: Site, assistant: str) -> None:
        own, theirs = pty.openpty()
        command = [*COMMAND, "chat", assistant, "--data", str(site.served.data)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM="xterm"), start_new_session=True
        )
        os.close(theirs)
        self._own = own
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def see(self, text: str) -> str:
        """Waits until the text shows; everything up to its end that was not seen before."""
        until = time.monotonic() + SECONDS
        while text not in self._seen:
            assert select.select([self._own], [], [], max(0.0, until - time.monotonic()))[0], self._seen
            # Reading from a terminal whose program has ended is an error on Linux.
            self._seen += os.read(self._own, 65536).decode()
        shown, _, self._seen = self._seen.partition(text)
        return shown + text

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal(site: Site) -> Iterator[Terminal]:
    terminal = Terminal(site, "echo")
    try:
        terminal.see(PROMPT)
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def weather(site: Site, tmp_path: Path) -> str:
    """An assistant with one function."""
    tools = tmp_path / "tools.json"
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools.write_text(json.dumps([{"type": "function", "name": "get_weather", "parameters": parameters}]))
    return site.ok("assistants", "create", "--name", "w", "--model", "fake", "--tools", str(tools)).out.strip()


def test_each_piped_line_is_a_turn_of_one_conversation(site: Site) -> None:
    ended = site.ok("chat", "echo", text="My name is Alice\n\nrecall\n/new\nBob here\nrecall\n")
    assert ended.out == "My name is Alice\nMy name is Alice\nBob here\nBob here\n"


def test_a_cut_answer_is_said_to_be_cut(site: Site) -> None:
    site.ok("assistants", "create", "--name", "short", "--model", "fake", "--max-output-tokens", "2")
    ended = site.ok("chat", "short", text="one two three\n")
    assert ended.out == "one two\n"
    assert ended.err == "The answer was cut: it reached its token limit.\n"


def test_a_failed_turn_ends_a_piped_chat_with_its_reason(site: Site) -> None:
    ended = site.run("chat", "echo", text="complain a little\nnever asked\n")
    assert ended.code == 1
    assert "It failed: " in ended.err
    assert "never asked" not in ended.out


def test_a_refused_turn_ends_a_piped_chat_with_its_reason(site: Site) -> None:
    ended = site.run("chat", "asst_00000000-0000-7000-8000-000000000000", text="hi\n")
    assert ended.code == 1
    assert "assistant_not_found" in ended.err


def test_functions_are_declined_where_nobody_can_answer(site: Site, weather: str) -> None:
    ended = site.ok("chat", weather, text="call get_weather in Paris and Rome\n")
    assert ended.out == "The tools said: " + "; ".join(["The user did not run this function."] * 2) + "\n"
    assert 'get_weather({"city": "Paris"})' in ended.err


def test_a_turn_is_typed_answered_and_remembered(terminal: Terminal) -> None:
    terminal.type("hello there\n")
    assert re.search(r"hello there\s.*hello there", terminal.see(PROMPT), re.DOTALL)
    terminal.type("recall\n")
    assert "hello there" in terminal.see(PROMPT)
    terminal.type("/exit\n")
    assert terminal.process.wait(SECONDS) == 0


def test_thinking_is_dim_and_apart(terminal: Terminal) -> None:
    terminal.type("think forty two\n")
    assert "\x1b[2m think." in terminal.see("forty")


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal: Terminal, site: Site) -> None:
    terminal.type("slow first " + "word " * 600 + "last\n")
    terminal.see("first")
    terminal.see("word word")
    terminal.interrupt()
    assert "Stopped." in terminal.see(PROMPT)
    newest = site.ok("responses", "list", "--limit", "1", "--json").json["responses"][0]
    assert newest["status"] == "cancelled"
    terminal.type("still here\n")
    assert "still here" in terminal.see(PROMPT).partition("\n")[2]


def test_ctrl_c_at_the_prompt_tells_how_to_leave(terminal: Terminal) -> None:
    terminal.interrupt()
    terminal.see("Ctrl-D or /exit ends.")
    terminal.see(PROMPT)
    terminal.type("\x04")
    assert terminal.process.wait(SECONDS) == 0


def test_functions_are_asked_for_their_output(site: Site, weather: str) -> None:
    terminal = Terminal(site, weather)
    try:
        terminal.see(PROMPT)
        terminal.type("call get_weather in Paris\n")
        assert 'get_weather({"city": "Paris"})' in terminal.see("(empty declines)> ")
        terminal.type("sunny\n")
        terminal.see("The tools said: sunny")
        terminal.see(PROMPT)
    finally:
        terminal.close()


def test_leaving_a_function_unanswered_goes_back_to_before_the_turn(site: Site, weather: str) -> None:
    terminal = Terminal(site, weather)
    try:
        terminal.see(PROMPT)
        terminal.type("call get_weather in Paris\n")
        terminal.see("(empty declines)> ")
        terminal.interrupt()
        assert "as if that had not been said" in terminal.see(PROMPT)
        terminal.type("hello\n")
        terminal.see("hello\r\n")
        assert "hello" in terminal.see(PROMPT)
    finally:
        terminal.close()


def test_a_failed_turn_in_a_terminal_can_be_tried_again(terminal: Terminal) -> None:
    terminal.type("complain a little\n")
    assert "It failed: " in terminal.see(PROMPT)
    terminal.type("hello again\n")
    terminal.see("hello again\r\n")
    assert "hello again" in terminal.see(PROMPT)
