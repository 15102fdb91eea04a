"""The page about conversations shows a program that does what the page says."""

from __future__ import annotations

from tests.docs.blocks import blocks
from tests.docs.reader import Reader
from tests.service.cli.served import ROOT


def test_the_program_of_the_page_has_two_turns_in_one_conversation(reader: Reader) -> None:
    (program,) = blocks((ROOT / "docs" / "conversations.md").read_text(encoding="utf-8"))
    assert reader.runs(program).splitlines() == [
        "And goodbye.",
        "user My name is Ada.",
        "user Hello!",
        "assistant Hello!",
        "user And goodbye.",
        "assistant And goodbye.",
    ]
