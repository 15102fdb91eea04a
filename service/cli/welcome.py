"""What `nodexa serve` says when it is ready."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

_BODY: Final = (
    '{\\"model\\": \\"$NODEXA_ASSISTANT_ID\\", \\"input\\": \\"What is the capital of France?\\", \\"stream\\": true}'
)


def welcome(*, base_url: str, grpc: str, quickstart: Path) -> str:
    """The addresses, where the key is (never the key), and a first request that can be pasted into a shell."""
    file = shlex.quote(str(quickstart))
    return f"""
Nodexa is ready.

  HTTP    {base_url}    (OpenAI SDKs: base_url {base_url}/v1)
  gRPC    {grpc}
  Key     NODEXA_API_KEY in {quickstart}
          with the assistant in NODEXA_ASSISTANT_ID

A first request, to paste into a shell:

  . {file}; curl -N "$NODEXA_BASE_URL/v1/responses" -H "Authorization: Bearer $NODEXA_API_KEY" \
-H "Content-Type: application/json" -d "{_BODY}"

Or talk to it: nodexa chat --data {shlex.quote(str(quickstart.parent))}
The embedded model is small and often wrong; for a better one see `nodexa models add --help`.
Ctrl-C stops everything.
"""
