"""A request with an id is carried out once: sent again, it gets the response that it led to the first time."""

from __future__ import annotations

import hashlib
from typing import Final

from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from service.errors import STATUS_OF, NodexaError
from service.runner.caller import Caller
from service.store.requests import Earlier, Named

LONGEST: Final = 255
FIELD: Final = "request_id"


def named(request: CreateResponseRequest, caller: Caller) -> Named | None:
    """The request by its id; None where it has none. Raises NodexaError `invalid_request`."""
    request_id = request.request_id
    if not request_id:
        return None
    if len(request_id) > LONGEST or not (request_id.isascii() and request_id.isprintable()):
        raise _invalid(f"The id of a request has 1 to {LONGEST} printable ASCII characters.")
    if request.settings.HasField("store") and not request.settings.store:
        raise _invalid("Only a stored response can be found again: leave out the request's id, or store: false.")
    said = CreateResponseRequest()
    said.CopyFrom(request)
    # Tokens may be renewed between two tries, and are kept nowhere, not even as a digest.
    said.user_tokens.clear()
    said.request_id = caller.user_id
    return Named(caller.key_id, request_id, hashlib.sha256(said.SerializeToString(deterministic=True)).digest())


def expect_same(named: Named, earlier: Earlier) -> None:
    """Raises NodexaError `idempotency_key_reused` for another request under the id of an earlier one."""
    if named.digest != earlier.digest:
        raise NodexaError(
            "idempotency_key_reused",
            f"Another request was sent with the id {named.request_id!r}: each needs one of its own.",
            param=FIELD,
        )


def told_again(response: Response) -> Response:
    """The final response, as the call was answered with it. Raises the error that it was ended with in its place."""
    error = response.error
    if not response.output and STATUS_OF.get(error.code, "UNKNOWN") != "UNKNOWN":
        raise NodexaError(error.code, error.message, param=error.param, response_id=response.id)
    return response


def _invalid(message: str) -> NodexaError:
    return NodexaError("invalid_request", message, param=FIELD)
