"""How an exchange with a model server fails."""

from __future__ import annotations


class HttpError(Exception):
    """The exchange failed; the text is for our own log only."""


class ConnectionLostError(HttpError):
    """The connection broke before the end of the answer."""


class IdleTimeoutError(HttpError):
    """No byte came for too long."""


class TotalTimeoutError(HttpError):
    """The answer did not come to its end in time."""


class MalformedAnswerError(HttpError):
    """What came is not HTTP."""


class ConnectFailedError(HttpError):
    """No connection: an unknown host, a closed port, a certificate that is not trusted."""


class ConnectTimeoutError(HttpError):
    """No connection in time."""
