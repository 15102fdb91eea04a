"""Reads a multipart form with one file in it, which goes on piece by piece as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from rest_bridge.body import CLOSE, LINGER_TIMES, read_chunk, swallow, too_large
from rest_bridge.errors import RequestError
from rest_bridge.hearing import heard_within
from rest_bridge.presence import Receive

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD_BYTES: Final = 64 * 1024
"""The longest of all fields together that are no file."""
MOST_PARTS: Final = 32


@dataclass(slots=True)
class Form:
    """What a form says beside its file. `filename` is None where it has none."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


async def read_form(
    receive: Receive,
    headers: Mapping[str, str],
    *,
    file: str,
    put: Callable[[bytes], Awaitable[None]],
    max_bytes: int,
    timeout_seconds: float,
) -> Form:
    """The form, when all bytes of its field `file` were put in order.

    Raises RequestError: unsupported_media_type, request_too_large, request_timeout, invalid_request; ClientLeft; and
    what `put` raises.
    """
    reading = _Reading(file, _boundary(headers))
    try:
        async with heard_within(timeout_seconds):
            await _read(reading, receive, headers, put=put, max_bytes=max_bytes)
    except TimeoutError:
        message = f"The form did not arrive within {timeout_seconds:g} seconds."
        raise RequestError("request_timeout", message, headers=CLOSE) from None
    except RequestError as refusal:
        if not reading.arrived:
            await swallow(receive, headers, LINGER_TIMES * max_bytes)
            refusal.headers = (*refusal.headers, *CLOSE)
        raise
    return reading.form


async def _read(
    reading: _Reading,
    receive: Receive,
    headers: Mapping[str, str],
    *,
    put: Callable[[bytes], Awaitable[None]],
    max_bytes: int,
) -> None:
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    size = 0
    while not reading.arrived:
        chunk, more = await read_chunk(receive)
        reading.arrived = not more
        size += len(chunk)
        if size > max_bytes:
            raise too_large(max_bytes)
        for data in reading.take(chunk):
            await put(data)
    reading.finish()


class _Reading:
    """A form while it is read."""

    def __init__(self, file: str, boundary: bytes) -> None:
        self.form = Form()
        self.arrived = False
        self._file = file
        self._whole = False
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._name = ""
        self._is_file = False
        self._value = bytearray()
        self._left = FIELD_BYTES
        self._data: list[bytes] = []
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._head,
            "on_part_data": self._add,
            "on_part_end": self._end,
            "on_end": self._finished,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise _wrong("The form's boundary can't be.") from None

    def take(self, chunk: bytes) -> list[bytes]:
        """Reads on; the bytes of the file that were among those."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _wrong("The body is not a multipart form.") from None
        found, self._data = self._data, []
        return found

    def finish(self) -> None:
        """Expects that the form ended where its body did."""
        if not self._whole:
            raise _wrong("The form ends in the middle: its last boundary is missing.")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _wrong(f"The form has more than {MOST_PARTS} fields.")
        self._name, self._is_file = "", False
        self._value.clear()

    def _head(self) -> None:
        name, value = (bytes(part) for part in self._header)
        for part in self._header:
            part.clear()
        if name.lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        self._name = options.get(b"name", b"").decode(errors="replace")
        self._is_file = self._name == self._file
        if self._is_file:
            if self.form.filename is not None:
                raise _wrong(f"The form has the field {self._file} twice.", self._file)
            # So forms write a quotation mark, as the HTML standard has it.
            self.form.filename = options.get(b"filename", b"").decode(errors="replace").replace("%22", '"')

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._data.append(data[start:end])
            return
        self._left -= end - start
        if self._left < 0:
            raise _wrong(f"The form's fields have more than {FIELD_BYTES} bytes.")
        self._value.extend(data[start:end])

    def _end(self) -> None:
        if not self._is_file:
            try:
                self.form.fields[self._name] = self._value.decode()
            except UnicodeDecodeError:
                raise _wrong("A field of the form is not UTF-8.", self._name[:64]) from None

    def _finished(self) -> None:
        self._whole = True


def _boundary(headers: Mapping[str, str]) -> bytes:
    kind, options = parse_options_header(headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        message = "Send the file as a form, with Content-Type: multipart/form-data; boundary=…"
        raise RequestError("unsupported_media_type", message, headers=CLOSE)
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        message = "Send the body uncompressed, without Content-Encoding."
        raise RequestError("unsupported_media_type", message, headers=CLOSE)
    return boundary


def _wrong(message: str, param: str = "") -> RequestError:
    return RequestError("invalid_request", message, param=param)
