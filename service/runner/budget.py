"""What `max_output_tokens` leaves to the later passes of a response."""

from __future__ import annotations

from nodexa.v1.response_pb2 import ResponseSettings

from service.runner.turn import Turn


class Budget:
    """That of a turn that is about to make its first pass. Where nobody counts tokens, each pass may write as many."""

    def __init__(self, turn: Turn) -> None:
        settings = turn.prompt.settings
        self._most = settings.max_output_tokens if settings.HasField("max_output_tokens") else None
        self._turn = turn
        self._before = turn.usage.output_tokens if turn.usage else 0

    @property
    def left(self) -> int | None:
        """How many tokens may still be written; None where that has no limit, or nobody can tell."""
        if self._most is None or self._turn.usage is None:
            return None
        return max(self._most - (self._turn.usage.output_tokens - self._before), 0)

    def within(self, settings: ResponseSettings) -> ResponseSettings:
        """The settings, changed in place: for a pass that writes no more than is left."""
        if (left := self.left) is not None:
            settings.max_output_tokens = left
        return settings
