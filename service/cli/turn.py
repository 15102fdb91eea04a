"""One turn of a conversation over gRPC: its events as they come, across lost connections, to its end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

import grpc
from nodexa.v1.event_pb2 import ResponseEvent
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CancelResponseRequest, CreateResponseRequest, WatchResponseRequest

from service.cli.connection import Core

# A core that is started again is back within seconds.
_REATTACH_DELAYS: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
_TERMINAL: Final = frozenset({"completed", "incomplete", "failed"})


class LeftError(Exception):
    """The person left the turn without waiting for its end."""


class Turn:
    """A response that is being made and watched. `interrupt` may be called from a signal handler."""

    def __init__(self, core: Core, request: CreateResponseRequest) -> None:
        self.response_id = ""
        self._core = core
        self._last = -1
        self._interrupts = 0
        self._call = core.stream(core.responses.StreamResponse, request)

    def events(self) -> Iterator[ResponseEvent]:
        """Each event once and in order, the terminal one last. Raises LeftError and grpc.RpcError."""
        delays = iter(_REATTACH_DELAYS)
        while True:
            try:
                for event in self._attached():
                    yield event
                    if event.WhichOneof("kind") in _TERMINAL:
                        return
                    delays = iter(_REATTACH_DELAYS)
            except grpc.RpcError as error:
                if self._interrupts > 1:
                    raise LeftError from None
                delay = next(delays, None)
                if delay is None or not self.response_id or error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(delay)
            request = WatchResponseRequest(id=self.response_id, starting_after=self._last)
            self._call = self._core.stream(self._core.responses.WatchResponse, request)

    def interrupt(self) -> None:
        """Cancels the response; the second time, leaves without waiting for that."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._call.cancel()
        elif self.response_id:
            self._cancel()

    def _attached(self) -> Iterator[ResponseEvent]:
        """The events of the present call."""
        for batch in self._call:
            for event in batch.events:
                self._last = event.sequence_number
                if not self.response_id:
                    self.response_id = event.created.response.id
                    if self._interrupts:
                        self._cancel()
                yield event

    def _cancel(self) -> None:
        # In a thread of its own, so that the events go on meanwhile: the last one says that it was cancelled.
        threading.Thread(target=self._ask_to_cancel, daemon=True).start()

    def _ask_to_cancel(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            self._core.ask(self._core.responses.CancelResponse, CancelResponseRequest(id=self.response_id))


def final_response(event: ResponseEvent) -> Response | None:
    """The response of a terminal event, None for any other."""
    kind = event.WhichOneof("kind")
    if kind not in _TERMINAL:
        return None
    response: Response = getattr(event, kind).response
    return response
