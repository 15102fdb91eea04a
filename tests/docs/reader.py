"""Somebody who follows the README, word for word."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.docs.blocks import Block, blocks
from tests.sdk.node_sdk import MODULES, expect_node
from tests.service.cli.served import ROOT, environment

README: Final = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
OLLAMA: Final = "http://127.0.0.1:11434/v1"
OPENAI: Final = "https://api.openai.com/v1"
GGUF: Final = "/models/qwen3-4b-instruct-q4_k_m.gguf"
SECONDS: Final = 240.0


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows the README in a directory, where other places than the README's are in `places`."""

    folder: Path
    places: Mapping[str, str] = field(default_factory=dict)

    def runs(self, block: Block) -> str:
        """What a block prints when it is run as it stands, its places put right. It must succeed."""
        text = block.text
        for place, instead in self.places.items():
            text = text.replace(place, instead)
        return self._succeeds(*_command(block, text, self.folder))

    def shell(self, line: str, *, text: str = "") -> str:
        """What a shell prints for a line."""
        return self._succeeds("sh", "-c", line, text=text)

    def _succeeds(self, *argv: str, text: str = "") -> str:
        # `set -a; . var/quickstart.env` has been done, as the README says.
        told = dict(line.partition("=")[::2] for line in (self.folder / "var" / "quickstart.env").read_text().split())
        path = f"{_commands(self.folder)}:{environment()['PATH']}"
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=environment(**told) | {"PATH": path},
            input=text,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{argv}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _command(block: Block, text: str, folder: Path) -> list[str]:
    if block.language == "sh":
        return ["sh", "-e", "-c", text]
    if block.language == "python":
        return [sys.executable, "-P", "-c", text]
    expect_node()
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(MODULES)
    program = folder / "program.mjs"
    program.write_text(text)
    return ["node", str(program)]


def _commands(folder: Path) -> Path:
    """A directory for PATH in which `nodexa` is this checkout's."""
    script = folder / "bin" / "nodexa"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m service.cli "$@"\n')
    script.chmod(0o755)
    return script.parent
