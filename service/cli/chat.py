"""`nodexa chat`: a conversation in the terminal, or line by line from a pipe."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import grpc
from nodexa.v1.item_pb2 import ContentPart, CustomToolCall, FunctionCall, FunctionCallOutput, InputText, Item, Message
from nodexa.v1.response_pb2 import Response
from nodexa.v1.response_service_pb2 import CreateResponseRequest

from service.cli.assistants import assistant_id, list_assistants
from service.cli.connection import Core, connect, explain
from service.cli.options import data_option
from service.cli.screen import Screen
from service.cli.turn import LeftError, Turn, final_response

_REFUSAL: Final = "The user did not run this function."
# A model that only ever calls functions would otherwise be answered for ever.
_MOST_CALL_ROUNDS: Final = 8


@click.command()
@click.argument("assistant", default="")
@data_option
def chat(*, assistant: str, data: Path | None) -> None:
    """Talk to an assistant, by id or name.

    Each line is one turn of the same conversation. Ctrl-C stops an answer, /new starts over, Ctrl-D or /exit ends. From
    a pipe, only the answers go to the standard output.
    """
    screen = Screen()
    with connect(data) as core:
        conversation = Conversation(core, screen, _whom(core, assistant))
        if screen.watched:
            screen.remark("Ctrl-C stops an answer, /new starts over, Ctrl-D or /exit ends.")
        for line in screen.inputs():
            command = line.strip()
            if command == "/exit":
                return
            if command == "/new":
                conversation.start_over()
            elif command:
                conversation.say(line)


_Call = FunctionCall | CustomToolCall


class Conversation:
    """A thread of turns with one assistant."""

    def __init__(self, core: Core, screen: Screen, assistant: str) -> None:
        self._core = core
        self._screen = screen
        self._assistant = assistant
        self._previous = ""

    def start_over(self) -> None:
        """Forgets the thread."""
        self._previous = ""
        self._screen.remark("A new conversation.")

    def say(self, text: str) -> None:
        """One turn, function calls included. The thread moves on only when the turn ends well enough to be continued.

        Without a person to try again, a turn that fails raises: ClickException or grpc.RpcError.
        """
        message = Message(role=Message.ROLE_USER, content=[ContentPart(input_text=InputText(text=text))])
        try:
            response = self._answer([Item(message=message)], self._previous)
            for _ in range(_MOST_CALL_ROUNDS):
                if response.status != Response.STATUS_REQUIRES_ACTION:
                    break
                response = self._answer(self._outputs(_calls(response)), response.id)
        except (LeftError, EOFError, KeyboardInterrupt):
            self._screen.remark("Left. The conversation goes on as if that had not been said.")
        except grpc.RpcError as error:
            if not self._screen.watched:
                raise
            self._screen.remark(explain(error, self._core.target.grpc))
        else:
            self._move_on(response)

    def _move_on(self, response: Response) -> None:
        if response.status == Response.STATUS_REQUIRES_ACTION:
            self._screen.remark("The assistant only calls functions; giving up on that turn.")
        elif response.status != Response.STATUS_FAILED:
            self._previous = response.id
            return
        if not self._screen.watched:
            raise click.ClickException("A turn did not get its answer; the rest was not sent.")

    def _answer(self, items: Sequence[Item], previous: str) -> Response:
        """Shows one response as it comes. Raises LeftError and grpc.RpcError."""
        turn = Turn(
            self._core,
            CreateResponseRequest(assistant_id=self._assistant, input=items, previous_response_id=previous),
        )
        with _on_interrupt(turn.interrupt):
            for event in turn.events():
                self._screen.event(event)
                response = final_response(event)
                if response is not None:
                    self._screen.end(response)
                    return response
        raise AssertionError("events end with a terminal one")

    def _outputs(self, calls: Sequence[_Call]) -> list[Item]:
        """What a person answers for each call; without one, every call is declined."""
        return [_answering(call, FunctionCallOutput(call_id=call.call_id, text=self._output(call))) for call in calls]

    def _output(self, call: _Call) -> str:
        self._screen.call(call)
        if not self._screen.watched:
            self._screen.remark("Declined: functions can be answered in a terminal only.")
            return _REFUSAL
        return self._screen.prompt(f"output of {call.name} (empty declines)> ").strip() or _REFUSAL


def _whom(core: Core, assistant: str) -> str:
    """The id of the assistant to talk to: the named one, the quickstart's, or the only one."""
    if assistant or core.target.assistant_id:
        return assistant_id(core, assistant or core.target.assistant_id)
    found = list_assistants(core)
    if len(found) == 1:
        return found[0].id
    names = ", ".join(each.name for each in found) or "none yet: nodexa assistants create --help"
    raise click.ClickException(f"Say which assistant: nodexa chat ASSISTANT. There are: {names}.")


def _calls(response: Response) -> list[_Call]:
    calls: list[_Call] = [item.custom_tool_call for item in response.output if item.HasField("custom_tool_call")]
    return calls + [item.function_call for item in response.output if item.HasField("function_call")]


def _answering(call: _Call, output: FunctionCallOutput) -> Item:
    custom = isinstance(call, CustomToolCall)
    return Item(custom_tool_call_output=output) if custom else Item(function_call_output=output)


@contextlib.contextmanager
def _on_interrupt(act: Callable[[], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
