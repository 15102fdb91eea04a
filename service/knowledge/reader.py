"""The child that reads one file: bytes in, passages out, a line of JSON each. `python -m service.knowledge.reader`.

What it reads may be made to do harm, so it may use little memory and time, and dies of more. It imports nothing that
opens a connection or a database.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import IO, Final

from service.knowledge.cutting import passages, tidy
from service.knowledge.formats import UnreadableError, text_of

MEMORY_BYTES: Final = 1536 * 1024 * 1024
TEXT_CHARACTERS: Final = 16_000_000
"""The most text of one file."""


def main(arguments: Sequence[str]) -> int:
    """`FILENAME MOST OVERLAP SECONDS`; the last line says `end`, or `failed` and why."""
    filename, most, overlap, seconds = arguments[0], *(int(number) for number in arguments[1:4])
    _limit(seconds)
    logging.disable()
    out = sys.stdout
    for line in _lines(sys.stdin.buffer, filename, most=most, overlap=overlap):
        json.dump(line, out)
        out.write("\n")
    out.flush()
    return 0


def _lines(source: IO[bytes], filename: str, *, most: int, overlap: int) -> Iterator[dict[str, object]]:
    try:
        text = tidy(_whole(filename, source.read()))
    except UnreadableError as error:
        yield {"failed": error.code, "message": error.message}
        return
    except (MemoryError, RecursionError):
        yield {"failed": "invalid_file", "message": "The file takes too much memory to be read."}
        return
    if not text:
        yield {"failed": "invalid_file", "message": "The file has no text; pictures of text are not read."}
        return
    for passage in passages(text, most=most, overlap=overlap):
        yield {"text": passage}
    yield {"end": True}


def _whole(filename: str, data: bytes) -> str:
    parts: list[str] = []
    size = 0
    for part in text_of(filename, data):
        parts.append(part)
        size += len(part)
        if size > TEXT_CHARACTERS:
            raise UnreadableError("invalid_file", "The file has more than 16 million characters of text: split it.")
    # Half a surrogate pair is no text, and nothing could write it down.
    return "".join(parts).encode(errors="replace").decode()


def _limit(seconds: int) -> None:
    import resource  # noqa: PLC0415 - there is none on Windows

    # Not every system knows every limit.
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
