"""`nodexa chat`, from a pipe and in a terminal, with a real core and a fake model server behind it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
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
        # Wide enough that no typed line is folded.
        fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
        command = [*COMMAND, "chat", assistant, "--data", str(site.served.data)]
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(TERM="xterm"),
            start_new_session=True,
            preexec_fn=_heeds_ctrl_c,  # noqa: PLW1509 - it only sets a signal
        )
        os.close(theirs)
        self._own = own
        self._seen = ""

    def type(self, text: str) -> None:
        """Types without Enter."""
        os.write(self._own, text.encode())

    def say(self, line: str) -> None:
        """Types a line, and waits until it stands on the screen as typed."""
        self.type(f"{line}\n")
        self.see(f"{line}\r\n")

    def see(self, text: str) -> str:
        """Waits until the text shows; everything up to its end that was not seen before."""
        assert self._look(text, SECONDS), self._seen
        shown, _, self._seen = self._seen.partition(text)
        return shown + text

    def interrupt(self, until: str) -> str:
        """Presses Ctrl-C until the text shows; what was seen up to then.

        readline misses a signal between the moment it prompts and the moment it waits; people aren't that fast.
        """
        presses = int(SECONDS)
        self.process.send_signal(signal.SIGINT)
        while not self._look(until, 1.0) and presses:
            presses -= 1
            self.process.send_signal(signal.SIGINT)
        return self.see(until)

    def _look(self, text: str, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while text not in self._seen:
            if not select.select([self._own], [], [], max(0.0, end - time.monotonic()))[0]:
                return False
            # Reading from a terminal whose program has ended is an error on Linux.
            self._seen += os.read(self._own, 65536).decode()
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._own)


def _heeds_ctrl_c() -> None:
    # As in a terminal, also where the tests run in the background of a shell, which ignores it there.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
    terminal.say("hello there")
    assert "hello there" in terminal.see(PROMPT)
    terminal.say("recall")
    assert "hello there" in terminal.see(PROMPT)
    terminal.say("/exit")
    assert terminal.process.wait(SECONDS) == 0


def test_thinking_is_dim_and_apart(terminal: Terminal) -> None:
    terminal.say("think forty two")
    assert "\x1b[2m think." in terminal.see("forty")


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal: Terminal, site: Site) -> None:
    terminal.say("slow first " + "word " * 600 + "last")
    terminal.see("first")
    terminal.see("word word")
    assert "last" not in terminal.interrupt("Stopped.")
    terminal.see(PROMPT)
    newest = site.ok("responses", "list", "--limit", "1", "--json").json["responses"][0]
    assert newest["status"] == "cancelled"
    terminal.say("still here")
    assert "still here" in terminal.see(PROMPT)


def test_ctrl_c_at_the_prompt_tells_how_to_leave(terminal: Terminal) -> None:
    terminal.interrupt("Ctrl-D or /exit ends.")
    terminal.see(PROMPT)
    terminal.type("\x04")
    assert terminal.process.wait(SECONDS) == 0


def test_functions_are_asked_for_their_output(site: Site, weather: str) -> None:
    terminal = Terminal(site, weather)
    try:
        terminal.see(PROMPT)
        terminal.say("call get_weather in Paris")
        assert 'get_weather({"city": "Paris"})' in terminal.see("(empty declines)> ")
        terminal.say("sunny")
        terminal.see("The tools said: sunny")
        terminal.see(PROMPT)
    finally:
        terminal.close()


def test_leaving_a_function_unanswered_goes_back_to_before_the_turn(site: Site, weather: str) -> None:
    terminal = Terminal(site, weather)
    try:
        terminal.see(PROMPT)
        terminal.say("call get_weather in Paris")
        terminal.see("(empty declines)> ")
        terminal.interrupt("as if that had not been said")
        terminal.see(PROMPT)
        terminal.say("hello")
        assert "hello" in terminal.see(PROMPT)
    finally:
        terminal.close()


def test_a_failed_turn_in_a_terminal_can_be_tried_again(terminal: Terminal) -> None:
    terminal.say("complain a little")
    assert "It failed: " in terminal.see(PROMPT)
    terminal.say("hello again")
    assert "hello again" in terminal.see(PROMPT)
