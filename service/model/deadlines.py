"""How long a model server may take: to connect, between two arrivals, for the whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nodexa.v1.admin_pb2 import Model as ModelConfig


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a model server may take, in seconds."""

    connect: float = 5.0
    """To accept a connection, name look-up and TLS included."""

    idle: float = 120.0
    """Between two arrivals of bytes in a stream; the wait for the first token is one of them."""

    total: float = 3600.0
    """For a whole answer, tries included: a server that sends and sends, or a byte now and then, is stopped there."""

    reply: float = 600.0
    """For a whole answer that is not streamed: nothing comes before its end."""

    closing: float = 5.0
    """For the usage and the end mark, once the answer itself is whole; then they are missed without complaint."""


def deadlines_of(config: ModelConfig, otherwise: Deadlines) -> Deadlines:
    """What the administrator set for a model, and `otherwise` for the rest."""
    idle, total = config.idle_seconds or otherwise.idle, config.total_seconds or otherwise.total
    # An answer that is not streamed has one arrival, its end; who sets how long a silence may be means that one too.
    return replace(otherwise, idle=idle, reply=config.idle_seconds or otherwise.reply, total=total)
