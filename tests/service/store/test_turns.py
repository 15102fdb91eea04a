"""Processes that share a database write in turns."""

import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.store.turns import Turns

HOLDER = """
import sys
from pathlib import Path
from service.store.turns import Turns
with Turns(Path(sys.argv[1])).turn():
    print("mine", flush=True)
    sys.stdin.readline()
print("over", flush=True)
sys.stdin.readline()
"""
GREEDY = """
import sys
from pathlib import Path
from service.store.turns import Turns
turns, story = Turns(Path(sys.argv[1])), open(sys.argv[2], "a")
print("here", flush=True)
while True:
    with turns.turn():
        story.write("c")
        story.flush()
"""


@contextmanager
def another(program: str, *arguments: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


class Looks:
    """A clock that stands still, and tells how often it was looked at."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> float:
        self.times += 1
        return 0.0


def test_a_turn_that_is_free_is_taken_at_once_and_again(tmp_path: Path) -> None:
    looks = Looks()
    turns = Turns(tmp_path / "turns", clock=looks)
    for _ in range(3):
        with turns.turn():
            pass
    assert looks.times == 3
    turns.close()


def test_another_processs_turn_is_waited_for(tmp_path: Path) -> None:
    with another(HOLDER, tmp_path / "turns") as holder:
        assert said(holder) == "mine"

        looks = 0

        def clock() -> float:
            nonlocal looks
            looks += 1
            # The turn is asked for, and another has it: now that one ends.
            if looks == 2:
                tell(holder)
                assert said(holder) == "over"
            return 0.0

        turns = Turns(tmp_path / "turns", clock=clock)
        with turns.turn():
            assert looks >= 2
        turns.close()


def test_who_waits_is_not_overtaken_by_who_has_just_written(tmp_path: Path) -> None:
    story = tmp_path / "story"
    with another(GREEDY, tmp_path / "turns", story) as greedy:
        assert said(greedy) == "here"
        turns = Turns(tmp_path / "turns")
        before_us = []
        for _ in range(31):
            asked = story.stat().st_size
            with turns.turn():
                before_us.append(story.stat().st_size - asked)
        turns.close()
    # It may write between our look and our asking; most of the time it doesn't get far.
    assert statistics.median(before_us) <= 3


def test_a_process_that_is_stopped_in_its_turn_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with another(HOLDER, tmp_path / "turns") as holder:
        assert said(holder) == "mine"
        holder.send_signal(signal.SIGSTOP)
        turns = Turns(tmp_path / "turns")
        for _ in range(2):
            with turns.turn():
                pass
        turns.close()


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path) -> None:
    with another(HOLDER, tmp_path / "turns") as holder:
        assert said(holder) == "mine"
        holder.kill()
        holder.wait()
        looks = Looks()
        turns = Turns(tmp_path / "turns", clock=looks)
        with turns.turn():
            pass
        assert looks.times == 1
        turns.close()
