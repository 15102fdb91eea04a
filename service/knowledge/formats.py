"""Reads the text out of a file: PDF, DOCX, HTML, or text. Runs in a child process, where it can do no harm."""

from __future__ import annotations

import codecs
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, Final

UNPACKED_BYTES: Final = 256 * 1024 * 1024
"""The most that a packed document may unpack to."""
_SKIPPED: Final = frozenset({"script", "style", "template", "noscript", "svg", "head"})
_BLOCKS: Final = frozenset(
    (
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
        "ol", "p", "pre", "section", "table", "td", "th", "tr", "ul",
    )
)  # fmt: skip
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class UnreadableError(Exception):
    """There is no text to be had. `code` is `unsupported_file` or `invalid_file`; the message is for the uploader."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def text_of(filename: str, data: bytes) -> Iterator[str]:
    """The text in parts, in order: pages, paragraphs, or all of it. Raises UnreadableError."""
    return _reader(filename, data)(data)


def _reader(filename: str, data: bytes) -> Callable[[bytes], Iterator[str]]:
    ending = PurePath(filename).suffix.lower()
    if data.startswith(b"%PDF-") or ending == ".pdf":
        return _pdf
    if ending == ".docx":
        return _docx
    return _html if ending in (".html", ".htm", ".xhtml") else _plain


def _pdf(data: bytes) -> Iterator[str]:
    from pypdf import PdfReader  # noqa: PLC0415 - only where it is needed
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        document = PdfReader(io.BytesIO(data))
        if document.is_encrypted and not document.decrypt(""):
            raise UnreadableError("invalid_file", "The PDF has a password: upload one without.")
        for page in document.pages:
            yield page.extract_text() + "\n\n"
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise UnreadableError(
            "invalid_file", "The PDF is damaged: make it anew, for example by printing it."
        ) from error


def _docx(data: bytes) -> Iterator[str]:
    import docx  # noqa: PLC0415 - only where it is needed
    from docx.opc.exceptions import OpcError  # noqa: PLC0415
    from lxml.etree import LxmlError  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > UNPACKED_BYTES:
            raise UnreadableError("invalid_file", "The document unpacks to more than 256 MB.")
        for block in docx.Document(io.BytesIO(data)).iter_inner_content():
            yield from _docx_block(block)
    except (zipfile.BadZipFile, OpcError, LxmlError, KeyError, ValueError, AttributeError) as error:
        raise UnreadableError("invalid_file", "This is no document of Word (.docx), or it is damaged.") from error


def _docx_block(block: Any) -> Iterator[str]:
    if not hasattr(block, "rows"):
        yield block.text + "\n"
        return
    for row in block.rows:
        yield " | ".join(cell.text for cell in row.cells) + "\n"


def _html(data: bytes) -> Iterator[str]:
    from lxml import etree, html  # noqa: PLC0415 - only where it is needed

    try:
        data.decode()
        encoding: str | None = "utf-8"
    except UnicodeDecodeError:
        encoding = None  # what the document says itself
    try:
        root = html.document_fromstring(data, parser=html.HTMLParser(encoding=encoding))
    except (etree.LxmlError, ValueError) as error:
        raise UnreadableError("invalid_file", "The page has nothing in it that can be read.") from error
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            if element.tag in _SKIPPED:
                walk.skip_subtree()
                continue
            yield ("\n" if element.tag in _BLOCKS else "") + (element.text or "")
        else:
            yield ("\n" if element.tag in _BLOCKS else "") + (element.tail or "")


def _plain(data: bytes) -> Iterator[str]:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UnreadableError(
            "unsupported_file", "Only PDF, DOCX, HTML and text in UTF-8 can be read: upload it as one of these."
        )
    yield text
