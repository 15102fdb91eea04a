"""How a conversation looks: answers as they come, thinking dimly, remarks apart; plain text where no one watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from nodexa.v1.event_pb2 import OutputItemEvent, ResponseEvent
from nodexa.v1.item_pb2 import CustomToolCall, FunctionCall
from nodexa.v1.response_pb2 import Response
from rich.console import Console

from service.cli.document import printable

_ENDS: Final[Mapping[int, str]] = {
    Response.STATUS_INCOMPLETE: "The answer was cut: {reason}.",
    Response.STATUS_CANCELLED: "Stopped.",
    Response.STATUS_FAILED: "It failed: {message} [{code}]",
}
_REASONS: Final[Mapping[str, str]] = {
    "max_output_tokens": "it reached its token limit",
    "content_filter": "the model server's content filter stopped it",
}


class Screen:
    """Where a conversation is shown and typed. `watched` says whether a person sits at both ends."""

    def __init__(self) -> None:
        self.watched: Final = sys.stdin.isatty() and sys.stdout.isatty()
        self._out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._err = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, stderr=True)
        self._style = ""
        self._open = False
        self._show: Final[Mapping[str, Callable[[ResponseEvent], None]]] = {
            "output_text_delta": lambda event: self._write(event.output_text_delta.delta, ""),
            "refusal_delta": lambda event: self._write(event.refusal_delta.delta, ""),
            "reasoning_text_delta": lambda event: self._think(event.reasoning_text_delta.delta),
            "output_item_done": lambda event: self._item(event.output_item_done),
        }

    def event(self, event: ResponseEvent) -> None:
        """Shows what an event brings; most bring nothing to see."""
        show = self._show.get(event.WhichOneof("kind") or "")
        if show:
            show(event)

    def end(self, response: Response) -> None:
        """Ends an answer, and says so where it is not a whole one."""
        self._close()
        remark = _ENDS.get(response.status)
        if remark:
            reason = response.incomplete_details.reason
            self.remark(
                remark.format(
                    reason=_REASONS.get(reason, reason), message=response.error.message, code=response.error.code
                )
            )

    def remark(self, text: str) -> None:
        """Something that is not part of the answer; never on the standard output of a program that reads it."""
        self._close()
        (self._out if self.watched else self._err).print(printable(text), style="yellow")

    def call(self, call: FunctionCall | CustomToolCall) -> None:
        """Shows what the model wants to have run."""
        words = call.input if isinstance(call, CustomToolCall) else call.arguments
        self.remark(f"The assistant calls {call.name}({words})")

    def inputs(self) -> Iterator[str]:
        """What the person says, turn by turn; a line each. Ends at the end of input."""
        if not self.watched:
            yield from (line.rstrip("\n") for line in sys.stdin)
            return
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - line editing; not on every platform
        while True:
            try:
                yield self.prompt("you> ")
            except EOFError:
                self._out.print()
                return
            except KeyboardInterrupt:
                self._out.print()
                self.remark("Ctrl-D or /exit ends.")

    def prompt(self, words: str) -> str:
        """One typed line. Raises EOFError and KeyboardInterrupt."""
        return input(words)

    def _think(self, text: str) -> None:
        if self.watched:
            self._write(text, "dim")

    def _item(self, event: OutputItemEvent) -> None:
        if event.item.HasField("opaque"):
            self.remark(f"[{event.item.opaque.type}]")

    def _write(self, text: str, style: str) -> None:
        if self._open and style != self._style:
            self._close()
        self._style, self._open = style, True
        if self.watched:
            self._out.print(printable(text), style=style, end="")
        else:
            sys.stdout.write(text)
        sys.stdout.flush()

    def _close(self) -> None:
        if self._open:
            self._open = False
            print(flush=True)
