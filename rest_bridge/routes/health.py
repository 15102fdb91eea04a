"""The endpoints of probes. They need no key."""

from __future__ import annotations

from typing import Final

from rest_bridge.errors import RequestError
from rest_bridge.routes.call import Answer, Call, answer

PROBE_SECONDS: Final = 2


async def alive(call: Call) -> Answer:
    """GET /healthz: this process answers."""
    return answer({"status": "ok"})


async def ready(call: Call) -> Answer:
    """GET /readyz: requests would be answered now."""
    if call.bridge.draining:
        raise RequestError("server_draining", "The server is being stopped.")
    if not await call.bridge.core.serving(timeout=PROBE_SECONDS):
        raise RequestError("service_unavailable", "The core can't be reached, or takes no requests now.")
    return answer({"status": "ready"})
