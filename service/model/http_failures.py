"""What is said of a model server that was not reached, broke off, or fell silent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from service.errors import NodexaError
from service.model.chat_errors import broken, garbled, stalled
from service.model.http_errors import (
    ConnectFailedError,
    ConnectionLostError,
    ConnectTimeoutError,
    HttpError,
    IdleTimeoutError,
    MalformedAnswerError,
    TotalTimeoutError,
)

log = logging.getLogger(__name__)


def lost(failure: HttpError, *, model: str) -> NodexaError:
    """What callers are told of a failed exchange with the server of `model`; the log gets the details."""
    log.warning("model %s: %s: %s", model, type(failure).__name__, failure)
    make, words = FAILURES[type(failure)]
    return make(model, words)


FAILURES: Mapping[type[HttpError], tuple[Callable[[str, str], NodexaError], str]] = {
    ConnectFailedError: (
        broken,
        "can't be reached. Check that it runs, and the host, port and certificate of base_url",
    ),
    ConnectTimeoutError: (stalled, "did not accept a connection in time"),
    ConnectionLostError: (broken, "closed the connection before its answer was whole. Try again; its log says why"),
    IdleTimeoutError: (stalled, "fell silent in the middle of the request"),
    TotalTimeoutError: (stalled, "did not come to an end in time"),
    MalformedAnswerError: (garbled, "something that is not HTTP"),
}
