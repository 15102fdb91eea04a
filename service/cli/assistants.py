"""`nodexa assistants …`: prompts, models and tools under names that applications call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import (
    CreateAssistantRequest,
    DeleteAssistantRequest,
    GetAssistantRequest,
    ListAssistantsRequest,
    ListAssistantsResponse,
    UpdateAssistantRequest,
)

from service.cli.connection import Core, connect
from service.cli.document import number, time_of, word, words
from service.cli.openapi_options import imported, joined, openapi_options, tool_name
from service.cli.options import data_option, json_option
from service.cli.output import print_fields, print_json, print_table
from service.cli.tools_file import read_tools

_MODES: Final = Assistant.InstructionsMode.DESCRIPTOR
# Option → the path that an update names.
_PATHS: Final[Mapping[str, str]] = {
    "name": "name",
    "model": "model",
    "instructions": "instructions",
    "instructions_mode": "instructions_mode",
    "tools": "defaults.tools",
    "temperature": "defaults.temperature",
    "top_p": "defaults.top_p",
    "max_output_tokens": "defaults.max_output_tokens",
    "max_tool_calls": "defaults.max_tool_calls",
    "memory": "memory",
}
_NUMBERS: Final = ("temperature", "top_p", "max_output_tokens", "max_tool_calls")
_CLEARABLE: Final = ("tools", *_NUMBERS)


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that create and update share."""
    for option in (
        click.option(
            "--memory/--no-memory",
            default=None,
            help="Whether it remembers its users: what it notes, docs/users.md says.",
        ),
        click.option("--max-tool-calls", type=int, help="The most calls of tools that Nodexa makes for an answer."),
        click.option("--max-output-tokens", type=int, help="The most tokens of an answer."),
        click.option("--top-p", type=float, help="Nucleus sampling, 0 to 1."),
        click.option("--temperature", type=float, help="Sampling temperature, 0 to 2."),
        click.option(
            "--tools",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE.json",
            help="A JSON array as in `tools` of the Responses API.",
        ),
        click.option(
            "--instructions-mode", type=click.Choice(words(_MODES)), help="How a request's instructions meet these."
        ),
        click.option("--instructions", help="The system prompt."),
    ):
        command = option(command)
    return command


@click.group()
def assistants() -> None:
    """Assistants of your organization."""


@assistants.command()
@click.option("--name", required=True, help="For people.")
@click.option("--model", required=True, help="The model that writes: see `nodexa models list`.")
@_settings_options
@openapi_options
@data_option
@json_option
def create(*, data: Path | None, as_json: bool, **values: Any) -> None:
    """Make an assistant."""
    more = imported(values)
    wanted = _assistant(values)
    if more:
        wanted.defaults.tools.tools.extend(more)
    with connect(data) as core:
        request = CreateAssistantRequest(assistant=wanted)
        assistant: Assistant = core.ask(core.admin.CreateAssistant, request)
    if as_json:
        print_json(assistant)
        return
    click.echo(assistant.id)
    click.echo(f"That is the assistant {assistant.name}. Talk to it: nodexa chat {assistant.id}", err=True)


@assistants.command("list")
@data_option
@json_option
def list_(*, data: Path | None, as_json: bool) -> None:
    """List the assistants, the oldest first."""
    answer = ListAssistantsResponse()
    with connect(data) as core:
        answer.assistants.extend(list_assistants(core))
    if as_json:
        print_json(answer)
        return
    rows = [(each.id, each.name, each.model, time_of(each.create_time)) for each in answer.assistants]
    print_table(
        ("id", "name", "model", "made (UTC)"), rows, empty="No assistants. Make one: nodexa assistants create --help"
    )


@assistants.command()
@click.argument("assistant")
@data_option
@json_option
def show(*, assistant: str, data: Path | None, as_json: bool) -> None:
    """Show an assistant, by id or name."""
    with connect(data) as core:
        found: Assistant = core.ask(core.admin.GetAssistant, GetAssistantRequest(id=assistant_id(core, assistant)))
    if as_json:
        print_json(found)
    else:
        print_fields(_fields(found))


@assistants.command()
@click.argument("assistant")
@click.option("--name", help="For people.")
@click.option("--model", help="The model that writes.")
@_settings_options
@openapi_options
@click.option("--clear", type=click.Choice(_CLEARABLE), multiple=True, help="Take a setting away. Repeatable.")
@data_option
@json_option
def update(*, assistant: str, clear: Sequence[str], data: Path | None, as_json: bool, **values: Any) -> None:
    """Change an assistant, by id or name. What is not named stays."""
    more = imported(values)
    changed = [option for option, value in values.items() if value is not None]
    if both := sorted(set(changed) & set(clear)):
        raise click.UsageError(f"{both[0]} can't be both set and cleared.")
    if more and "tools" not in clear:
        changed.append("tools")
    if not changed and not clear:
        raise click.UsageError("Nothing to change: name at least one option.")
    wanted = _assistant(values)
    mask = FieldMask(paths=[_PATHS[option] for option in (*changed, *clear)])
    with connect(data) as core:
        wanted.id = assistant_id(core, assistant)
        if more and "tools" not in clear:
            kept: Assistant = core.ask(core.admin.GetAssistant, GetAssistantRequest(id=wanted.id))
            more = joined(kept.defaults.tools.tools, more)
        if more:
            wanted.defaults.tools.tools.extend(more)
        request = UpdateAssistantRequest(assistant=wanted, update_mask=mask)
        updated: Assistant = core.ask(core.admin.UpdateAssistant, request)
    if as_json:
        print_json(updated)
    else:
        click.echo(f"Changed {updated.id} ({updated.name}).")


@assistants.command()
@click.argument("assistant")
@data_option
def delete(*, assistant: str, data: Path | None) -> None:
    """Delete an assistant, by id or name. Its responses stay readable."""
    with connect(data) as core:
        found = assistant_id(core, assistant)
        core.ask(core.admin.DeleteAssistant, DeleteAssistantRequest(id=found))
    click.echo(f"Deleted {found}.")


def list_assistants(core: Core) -> list[Assistant]:
    """All assistants of the caller's organization, the oldest first. Raises grpc.RpcError."""
    pages = core.pages(core.admin.ListAssistants, ListAssistantsRequest())
    return [assistant for page in pages for assistant in page.assistants]


def assistant_id(core: Core, name_or_id: str) -> str:
    """The id of the one assistant that is meant. Raises ClickException where a name fits none or several."""
    if name_or_id.startswith("asst_"):
        return name_or_id
    found = [assistant.id for assistant in list_assistants(core) if assistant.name == name_or_id]
    if not found:
        raise click.ClickException(f"No assistant is called {name_or_id!r}. See `nodexa assistants list`.")
    if len(found) > 1:
        ids = ", ".join(found)
        raise click.ClickException(f"{len(found)} assistants are called {name_or_id!r}: name one by id: {ids}")
    return found[0]


def _assistant(values: Mapping[str, Any]) -> Assistant:
    """The assistant that the options describe; an option that is None leaves its field unset."""
    assistant = Assistant(
        **{key: values[key] for key in ("name", "model", "instructions", "memory") if values[key] is not None}
    )
    if values["instructions_mode"] is not None:
        assistant.instructions_mode = Assistant.InstructionsMode.ValueType(number(_MODES, values["instructions_mode"]))
    if values["tools"] is not None:
        assistant.defaults.tools.CopyFrom(read_tools(values["tools"]))
    for key in _NUMBERS:
        if values[key] is not None:
            setattr(assistant.defaults, key, values[key])
    return assistant


def _fields(assistant: Assistant) -> list[tuple[str, str]]:
    defaults = assistant.defaults
    tools = [tool_name(tool) for tool in defaults.tools.tools]
    numbers = [key for key in _NUMBERS if defaults.HasField(key)]
    return [
        ("id", assistant.id),
        ("name", assistant.name),
        ("model", assistant.model),
        ("instructions", assistant.instructions),
        ("mode", word(_MODES, assistant.instructions_mode) if assistant.instructions_mode else ""),
        ("tools", ", ".join(tools)),
        ("memory", "on" if assistant.memory else ""),
        *((key, f"{getattr(defaults, key):g}") for key in numbers),
        ("made (UTC)", time_of(assistant.create_time)),
        ("changed (UTC)", time_of(assistant.update_time)),
    ]
