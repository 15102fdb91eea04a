"""`nodexa models …`: the language models that assistants can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from nodexa.v1.admin_pb2 import Model
from nodexa.v1.admin_service_pb2 import CreateModelRequest, DeleteModelRequest, ListModelsRequest, ListModelsResponse

from service.cli.connection import connect
from service.cli.document import number, word, words
from service.cli.options import data_option, json_option
from service.cli.output import print_json, print_table

_KINDS: Final = Model.Kind.DESCRIPTOR


@click.group()
def models() -> None:
    """Language models that assistants can use (operator only)."""


@models.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(words(_KINDS)), required=True, help="In the core itself, or a model server.")
@click.option(
    "--base-url",
    default="",
    help="The model server's URL, /v1 included; anthropic and gemini: only for another one than theirs.",
)
@click.option("--upstream-model", default="", help="The model's id on that server.  [default: NAME]")
@click.option("--api-key-env", default="", help="The core's environment variable with the server's key.")
@click.option("--gguf", default="", help="embedded: a GGUF file on the core's machine.  [default: the own weights]")
@click.option("--no-tools", is_flag=True, help="The model can't call tools.")
@click.option("--no-images", is_flag=True, help="The model can't see images.")
@click.option("--files", is_flag=True, help="The model can read files.")
@click.option("--idle-seconds", type=float, help="How long the server may be silent.  [default: 120 or 300]")
@click.option("--total-seconds", type=float, help="How long a whole answer may take.  [default: 3600]")
@data_option
@json_option
def add(
    *,
    name: str,
    kind: str,
    data: Path | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Add a model; NAME is what assistants say.

    \b
    nodexa models add llama --kind openai_chat --base-url http://127.0.0.1:11434/v1 --upstream-model llama3.2
    """
    wanted = Model(name=name, kind=Model.Kind.ValueType(number(_KINDS, kind)), **fields)
    with connect(data) as core:
        model: Model = core.ask(core.admin.CreateModel, CreateModelRequest(model=wanted))
    if as_json:
        print_json(model)
        return
    click.echo(f"Added the model {model.name}. Use it: nodexa assistants create --name NAME --model {model.name}")
    if model.problem:
        click.echo(f"It can't answer yet: {model.problem}", err=True)


@models.command("list")
@data_option
@json_option
def list_(*, data: Path | None, as_json: bool) -> None:
    """List the models."""
    with connect(data) as core:
        answer: ListModelsResponse = core.ask(core.admin.ListModels, ListModelsRequest())
    if as_json:
        print_json(answer)
        return
    rows = [(model.name, word(_KINDS, model.kind), _where(model), model.problem or "ok") for model in answer.models]
    print_table(("name", "kind", "where", "state"), rows, empty="No models. Add one: nodexa models add --help")


@models.command()
@click.argument("name")
@data_option
def remove(*, name: str, data: Path | None) -> None:
    """Remove a model that no assistant uses."""
    with connect(data) as core:
        core.ask(core.admin.DeleteModel, DeleteModelRequest(name=name))
    click.echo(f"Removed the model {name}.")


def _where(model: Model) -> str:
    if model.kind == Model.KIND_EMBEDDED:
        return model.gguf or "the weights that come with Nodexa"
    return f"{model.base_url or word(_KINDS, model.kind)} ({model.upstream_model or model.name})"
