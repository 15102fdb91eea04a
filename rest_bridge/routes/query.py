"""The query string, read strictly: a parameter that is known has one value, and that value means something."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl, quote

from rest_bridge.errors import RequestError

MAX_INTEGER = 2**63 - 1


class Query:
    """The parameters of one request. Every method raises RequestError(invalid_request) that names the parameter."""

    def __init__(self, query: bytes) -> None:
        try:
            self._pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise RequestError("invalid_request", "The query string is not valid.") from None

    def text(self, name: str) -> str | None:
        """The value as it is; None where it is absent."""
        values = [value for key, value in self._pairs if key == name]
        if len(values) > 1:
            raise _wrong(name, "may be given once")
        return values[0] if values else None

    def boolean(self, name: str) -> bool:
        """True or false; false where it is absent."""
        return self.word(name, ("true", "false")) == "true"

    def word(self, name: str, words: Collection[str]) -> str | None:
        """One of `words`; None where it is absent."""
        value = self.text(name)
        if value is not None and value not in words:
            raise _wrong(name, f"must be {' or '.join(words)}")
        return value

    def integer(self, name: str, *, low: int, high: int = MAX_INTEGER) -> int | None:
        """A whole number from `low` to `high`; None where it is absent."""
        value = self.text(name)
        if value is None:
            return None
        # isascii: other scripts have digits too.
        if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
            limits = f"from {low} to {high}" if high < MAX_INTEGER else f"of at least {low}"
            raise _wrong(name, f"must be a whole number {limits}")
        return int(value)


def next_link(path: str, limit: int, after: str) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says where a list goes on (RFC 8288); none where it ends."""
    if not after:
        return ()
    return ((b"link", f'<{path}?limit={limit}&after={quote(after, safe="")}>; rel="next"'.encode()),)


def _wrong(name: str, complaint: str) -> RequestError:
    return RequestError("invalid_request", f"The query parameter {name} {complaint}.", param=name)
