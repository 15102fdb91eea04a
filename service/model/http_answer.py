"""The HTTP/1.1 answers that come on one connection, one after the other: bytes in, heads and pieces of bodies out."""

from __future__ import annotations

from collections.abc import Callable

import httptools

from service.model.http_errors import MalformedAnswerError

MAX_HEAD_BYTES = 64 * 1024
JSON = b"application/json"


class HttpAnswer:
    """The answer that is coming, or the last one. `body` has what nobody took yet, in the pieces that were sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.head_done = False
        self.complete = False
        self.keep_alive = False
        self.body: list[bytes] = []
        # For the parser, which calls it once for each chunk: hundreds of times for an answer.
        self.on_body: Callable[[bytes], None] = self.body.append
        self._parser = httptools.HttpResponseParser(self)
        self._head_size = 0

    def begin(self) -> None:
        """The next one is to come."""
        self.status, self.headers, self._head_size = 0, {}, 0
        self.head_done = self.complete = self.keep_alive = False

    def feed(self, data: bytes) -> None:
        """Takes what came. Raises MalformedAnswerError; behind a whole answer it only spoils the connection."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise MalformedAnswerError(str(error)) from None
            self.keep_alive = False
        if not self.head_done:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                raise MalformedAnswerError("a head that is too long")

    def close(self) -> None:
        """Nothing comes any more."""
        # The parser knows this object: together they would wait for the garbage collector.
        del self._parser

    @property
    def sized(self) -> bool:
        """Whether its end is told; else the body ends where the connection does."""
        return b"content-length" in self.headers or b"transfer-encoding" in self.headers

    @property
    def promising(self) -> bool:
        """Whether its head, which is there, is that of JSON and of no refusal."""
        return self.status == 200 and self.headers.get(b"content-type", b"").startswith(JSON)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:  # An interim answer; the real one follows.
            self.headers.clear()
        else:
            self.head_done = True

    def on_message_complete(self) -> None:
        if self.head_done:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()
