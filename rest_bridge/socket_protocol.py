"""uvicorn's protocol for WebSockets, which end in good order here."""

from __future__ import annotations

from typing import Any, Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from rest_bridge.errors import RequestError
from rest_bridge.reply import refusal_bytes

CLOSE_SECONDS: Final = 2
"""How long a WebSocket's client may take to answer our goodbye."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """The WebSocket side. When the server stops, the application closes its connections, not uvicorn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_SECONDS

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # An upgrade comes here whole. What could not be read of it is beyond limits of the library, which says nothing.
        if not self.handshake_initiated and not self.transport.is_closing():
            message = "The request's head has a line that is too long, or too many lines, for a WebSocket."
            self.transport.write(refusal_bytes(RequestError("request_head_too_large", message)))
            self.transport.close()

    def handle_text(self, event: Frame) -> None:
        """Text that is no UTF-8 is refused in the application, with words and without a traceback in the log."""
        self.handle_bytes(event)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        # Otherwise uvicorn logs an error for each upgrade that was refused.
        self.handshake_complete = self.handshake_complete or message["type"] == "websocket.http.response.body"

    def shutdown(self) -> None:
        """Uvicorn's own version closes at once, in the middle of a response."""

    def keepalive_timeout(self) -> None:
        """A client that answers no ping reads nothing either: what is still to be sent would wait for ever."""
        super().keepalive_timeout()
        self.transport.abort()
