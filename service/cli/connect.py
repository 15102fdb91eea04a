"""`nodexa connect CLIENT`: a program or configuration for a client that people have, ready to run.

The texts are the files of `clients/`. They hold `{{base_url}}`, `{{grpc}}` and `{{assistant}}` where addresses and the
assistant go, and a comment `{{key}}` that says where the key is; the key itself is never in a text.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

import click

from service.cli.assistants import assistant_id
from service.cli.connection import connect as connect_core
from service.cli.options import data_option, json_option
from service.cli.output import print_json, print_table
from service.cli.target import DEFAULT_DATA, QUICKSTART, read_quickstart

KEY: Final = "NODEXA_API_KEY"
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")
_VARIABLES: Final[Mapping[str, str]] = {
    "base_url": "NODEXA_BASE_URL",
    "grpc": "NODEXA_GRPC",
    "assistant": "NODEXA_ASSISTANT_ID",
}
# A text is a program: what is put between its quotes must not end them.
_PLAIN: Final = re.compile(r"[\w.:/@%+~\[\]-]+")


@dataclass(frozen=True, slots=True)
class Client:
    """What a client is, the language of its text as Markdown names it, and the file that the text belongs into."""

    title: str
    language: str
    file: str


CLIENTS: Final[Mapping[str, Client]] = {
    "curl": Client("curl, for a first look at the events", "sh", "request.sh"),
    "openai-python": Client("OpenAI SDK for Python", "python", "main.py"),
    "openai-node": Client("OpenAI SDK for Node", "js", "main.mjs"),
    "agents": Client("OpenAI Agents SDK for Python", "python", "main.py"),
    "agents-js": Client("OpenAI Agents SDK for JavaScript", "js", "main.mjs"),
    "langchain": Client("LangChain, ChatOpenAI", "python", "main.py"),
    "pydantic-ai": Client("Pydantic AI, OpenAIResponsesModel", "python", "main.py"),
    "ai-sdk": Client("Vercel AI SDK", "js", "main.mjs"),
    "codex": Client("Codex CLI", "toml", "config.toml"),
    "grpc": Client("gRPC, with the generated Python package", "python", "main.py"),
}


def text_for(client: str, settings: Mapping[str, str], *, source: str, quickstart: Path | None) -> str:
    """The text for a client. `settings` are NODEXA_… variables, which `source` has; `quickstart` has the key.

    Raises ClickException where a setting that the text needs is missing, or can't stand in a program.
    """
    template = (resources.files("service.cli") / "clients" / f"{client}.txt").read_text(encoding="utf-8")
    values = {"key": _where_the_key_is(quickstart)}
    for place in sorted(set(_PLACE.findall(template)) - {"key"}):
        values[place] = _setting(_VARIABLES[place], settings, source)
    return _PLACE.sub(lambda match: values[match[1]], template)


@click.command()
@click.argument("client", required=False, metavar="CLIENT", type=click.Choice(list(CLIENTS)))
@click.option("--assistant", help="The assistant, by id or name; without it the first one, which the quickstart names.")
@data_option
@json_option
def connect(*, client: str | None, assistant: str | None, data: Path | None, as_json: bool) -> None:
    """Print a program or configuration for a client; without CLIENT, list them.

    The text has the live address and the assistant in it, and reads the key from NODEXA_API_KEY.
    """
    if client is None:
        _list(as_json=as_json)
        return
    settings, source, quickstart = _find_settings(data, os.environ)
    if assistant is not None:
        settings["NODEXA_ASSISTANT_ID"] = _id_of(assistant, data)
    text = text_for(client, settings, source=source, quickstart=quickstart)
    if as_json:
        print_json({"client": client, **_described(CLIENTS[client]), "key_variable": KEY, "text": text})
    else:
        click.echo(text, nl=False)


def _list(*, as_json: bool) -> None:
    if as_json:
        print_json({"clients": [{"client": name, **_described(client)} for name, client in CLIENTS.items()]})
        return
    rows = [(name, client.title, client.file) for name, client in CLIENTS.items()]
    print_table(("client", "what it is", "for a file like"), rows, empty="")


def _described(client: Client) -> dict[str, str]:
    return {"title": client.title, "language": client.language, "file": client.file}


def _find_settings(data: Path | None, environ: Mapping[str, str]) -> tuple[dict[str, str], str, Path | None]:
    """The settings, what has them, and the file that has the key; found as every command finds its core."""
    own = {name: environ[name] for name in _VARIABLES.values() if environ.get(name)}
    if data is None and own.keys() & {"NODEXA_BASE_URL", "NODEXA_GRPC"}:
        return own, "the environment", None
    path = (data or DEFAULT_DATA) / QUICKSTART
    if data is None and not path.exists():
        raise click.ClickException(
            "No server is known. Start one here with `nodexa serve`, or say which: --data DIR (a data directory of "
            "this machine), or NODEXA_BASE_URL and NODEXA_ASSISTANT_ID in the environment."
        )
    found = read_quickstart(path)
    return (found if data else {**found, **own}), str(path), path.absolute()


def _id_of(assistant: str, data: Path | None) -> str:
    if assistant.startswith("asst_"):
        return assistant
    with connect_core(data) as core:
        return assistant_id(core, assistant)


def _setting(variable: str, settings: Mapping[str, str], source: str) -> str:
    value = settings.get(variable, "")
    if not value:
        raise click.ClickException(
            f"{variable} is missing in {source}: set it there, or name a data directory by --data."
        )
    if not _PLAIN.fullmatch(value):
        raise click.ClickException(f"{variable} in {source} has characters that can't stand in a program: {value!r}")
    return value


def _where_the_key_is(quickstart: Path | None) -> str:
    if quickstart is None or not str(quickstart).isprintable():
        return f"The key is read from {KEY}: export {KEY}=nxk_…"
    return f"The key is read from {KEY}: set -a; . {shlex.quote(str(quickstart))}; set +a"
