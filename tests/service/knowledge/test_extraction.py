"""Text is read out of every kind of file, and a file that is made to do harm does none."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator

import pytest

from service.knowledge.extraction import extract
from service.knowledge.formats import UnreadableError
from tests.documents import pdf, word


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


async def read(filename: str, data: bytes, *, most: int = 100, overlap: int = 0) -> list[str]:
    return [text async for text in extract(filename, pieces(data), most=most, overlap=overlap)]


HTML = """<!doctype html><html><head><title>Not this</title><style>p {color: red}</style></head><body><nav>Menu</nav>
<h1>Rules</h1><!-- a note --><p>No <b>dogs</b> &amp; no&nbsp;cats.</p><script>alert(1)</script><ul><li>Café</li></ul>
</body></html>"""


@pytest.mark.parametrize(
    ("filename", "data", "texts"),
    [
        ("a.txt", b"Hello,\r\n\r\n\r\n\r\nworld \t  again", ["Hello,\n\nworld again"]),
        ("a.md", "# Über\n\n* uns".encode(), ["# Über\n\n* uns"]),
        ("a.csv", "ä,b".encode("utf-16"), ["ä,b"]),
        ("noname", b"just text", ["just text"]),
        ("a.html", HTML.encode(), ["Menu\n\nRules\n\nNo dogs & no cats.\n\nCafé"]),
        ("a.htm", HTML.replace("<head>", "<head><meta charset=iso-8859-1>").encode("latin-1"), None),
        ("a.pdf", pdf("The first page.", "The (second) page."), ["The first page.\n\nThe (second) page."]),
        ("misnamed.txt", pdf("Still a PDF."), ["Still a PDF."]),
        ("a.docx", word("One.", "Two.", table=(("a", "b"), ("c", "d"))), ["One.\nTwo.\na | b\nc | d"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_text_is_read(filename: str, data: bytes, texts: list[str] | None) -> None:
    found = await read(filename, data)
    assert found == texts or (texts is None and "Café" in found[0])


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b", "c"):
            archive.writestr(name, bytes(100 * 1024 * 1024))
    return target.getvalue()


@pytest.mark.parametrize(
    ("filename", "data", "code", "words"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n\0\0", "unsupported_file", "Only PDF, DOCX, HTML and text"),
        ("a.txt", b"caf\xe9 au lait", "unsupported_file", "Only PDF, DOCX, HTML and text"),
        ("a.txt", b"  \n ", "invalid_file", "no text"),
        ("a.pdf", pdf(""), "invalid_file", "no text"),
        ("a.pdf", pdf("Cut off")[:200], "invalid_file", "damaged"),
        ("a.docx", b"PK no archive", "invalid_file", "damaged"),
        ("a.docx", bomb(), "invalid_file", "more than 256 MB"),
        ("a.html", b"", "invalid_file", "nothing in it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_can_t_be_read_is_refused_in_words(filename: str, data: bytes, code: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as refused:
        await read(filename, data)
    assert refused.value.code == code


async def test_a_file_that_takes_too_long_is_given_up() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"a" * 100_000

    with pytest.raises(UnreadableError, match="can't be read in"):
        async for _ in extract("a.txt", endless(), most=100, overlap=0, seconds=1):
            pass


async def test_passages_overlap_as_asked() -> None:
    words = " ".join(f"w{number}" for number in range(250))
    first, second, third = await read("a.txt", words.encode(), most=100, overlap=25)
    assert (first.split()[0], first.split()[-1]) == ("w0", "w99")
    assert (second.split()[0], second.split()[-1]) == ("w75", "w174")
    assert (third.split()[0], third.split()[-1]) == ("w150", "w249")


async def test_leaving_a_file_ends_its_child() -> None:
    reading = extract("a.txt", pieces(b"word " * 100_000), most=100, overlap=50)
    async for _ in reading:
        break
    await reading.aclose()
