"""Has a child process read a file, and hands on its passages as they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Final, cast

from service.knowledge.formats import UnreadableError

SECONDS: Final = 120
"""What one file may take."""
LINE_BYTES: Final = 4 * 1024 * 1024
"""The longest line of the child: a passage of 4096 words of whatever length."""
_TOO_MUCH: Final = f"The file can't be read in {SECONDS} seconds and 1.5 GB of memory: split it, or make it anew."

log = logging.getLogger(__name__)


async def extract(
    filename: str, pieces: AsyncIterator[bytes], *, most: int, overlap: int, seconds: int = SECONDS
) -> AsyncGenerator[str, None]:
    """The passages of a file, whose bytes come in pieces. Raises UnreadableError. Leaving it ends the child."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "service.knowledge.reader",
        filename,
        *(str(number) for number in (most, overlap, seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LINE_BYTES,
        env=_environment(),
        start_new_session=True,
    )
    stdin, stdout = cast(asyncio.StreamWriter, child.stdin), cast(asyncio.StreamReader, child.stdout)
    feeding = asyncio.create_task(_feed(stdin, pieces))
    try:
        while line := await _line(stdout, seconds):
            told = json.loads(line)
            if "failed" in told:
                raise UnreadableError(told["failed"], told["message"])
            if "end" in told:
                return
            yield told["text"]
        log.warning("a file could not be read: the child ended with %s", await child.wait())
        raise UnreadableError("invalid_file", _TOO_MUCH)
    except (TimeoutError, ValueError):
        raise UnreadableError("invalid_file", _TOO_MUCH) from None
    finally:
        feeding.cancel()
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await asyncio.gather(feeding, child.wait(), return_exceptions=True)


async def _line(stdout: asyncio.StreamReader, seconds: int) -> bytes:
    async with asyncio.timeout(seconds):
        return await stdout.readline()
    raise AssertionError("a timeout swallowed what it timed")


async def _feed(stdin: asyncio.StreamWriter, pieces: AsyncIterator[bytes]) -> None:
    # A child that has read enough, or died, says so by its output.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for piece in pieces:
            stdin.write(piece)
            await stdin.drain()
    stdin.close()


def _environment() -> dict[str, str]:
    """What a child needs to import what this process would, and none of its secrets."""
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    return {"PYTHONPATH": path, "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
