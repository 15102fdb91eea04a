"""`nodexa knowledge …`: the files that an assistant searches."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
from google.protobuf.field_mask_pb2 import FieldMask
from nodexa.v1 import file_service_pb2 as files_pb
from nodexa.v1 import vector_store_service_pb2 as stores_pb
from nodexa.v1.admin_pb2 import Assistant
from nodexa.v1.admin_service_pb2 import GetAssistantRequest, UpdateAssistantRequest
from nodexa.v1.file_pb2 import File
from nodexa.v1.item_pb2 import Opaque
from nodexa.v1.tool_pb2 import Tool
from nodexa.v1.vector_store_pb2 import VectorStoreFile

from service.cli.assistants import assistant_id
from service.cli.connection import Core, connect
from service.cli.document import word
from service.cli.options import data_option, json_option
from service.cli.output import print_json, print_table

TYPE: Final = "file_search"
PIECE_BYTES: Final = 1024 * 1024
_PAUSE: Final = 0.2
_STATUS: Final = VectorStoreFile.Status.DESCRIPTOR
_WAITS: Final = VectorStoreFile.STATUS_IN_PROGRESS


@click.group()
def knowledge() -> None:
    """Files that an assistant searches and cites."""


@knowledge.command()
@click.argument("assistant")
@click.argument(
    "paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True, path_type=Path)
)
@data_option
def add(*, assistant: str, paths: Sequence[Path], data: Path | None) -> None:
    """Give files to an assistant, by id or name, and wait until they can be found."""
    with connect(data) as core:
        store_id = _store(core, _assistant(core, assistant))
        added = {_upload(core, path): path for path in paths}
        request = stores_pb.CreateVectorStoreFileBatchRequest(
            vector_store_id=store_id, files=[stores_pb.NewVectorStoreFile(file_id=name) for name in added]
        )
        batch = core.ask(core.vector_stores.CreateVectorStoreFileBatch, request)
        failed = 0
        for file in _read(core, store_id, batch.id):
            told = f": {file.error.message}" if file.HasField("error") else ""
            click.echo(f"{added[file.file_id].name}  {word(_STATUS, file.status)}{told}")
            failed += file.status != VectorStoreFile.STATUS_COMPLETED
    if failed:
        raise click.ClickException(f"{failed} of {len(added)} files can't be found; the others can.")


@knowledge.command("list")
@click.argument("assistant")
@data_option
@json_option
def list_(*, assistant: str, data: Path | None, as_json: bool) -> None:
    """List the files of an assistant."""
    answer = stores_pb.ListVectorStoreFilesResponse()
    rows = []
    with connect(data) as core:
        for file in _files(core, _stores(_assistant(core, assistant))):
            answer.files.append(file)
            about: File = core.ask(core.files.GetFile, files_pb.GetFileRequest(id=file.file_id))
            told = file.error.message or f"{file.usage_bytes} bytes of text{_progress(file)}"
            rows.append((file.file_id, about.filename, word(_STATUS, file.status), told))
    if as_json:
        print_json(answer)
        return
    print_table(
        ("id", "name", "status", ""), rows, empty="No files. Give it some: nodexa knowledge add ASSISTANT FILE…"
    )


@knowledge.command()
@click.argument("assistant")
@click.argument("names", metavar="FILE…", nargs=-1, required=True)
@data_option
def remove(*, assistant: str, names: Sequence[str], data: Path | None) -> None:
    """Delete files of an assistant, by id or name, wherever else they are."""
    with connect(data) as core:
        found = [
            core.ask(core.files.GetFile, files_pb.GetFileRequest(id=file.file_id))
            for file in _files(core, _stores(_assistant(core, assistant)))
        ]
        for name in names:
            meant = {file.id for file in found if name in (file.id, file.filename)}
            if not meant:
                raise click.ClickException(f"It has no file {name!r}. See `nodexa knowledge list {assistant}`.")
            for file_id in sorted(meant):
                core.ask(core.files.DeleteFile, files_pb.DeleteFileRequest(id=file_id))
                click.echo(f"Deleted {name} ({file_id}).")


def _progress(file: VectorStoreFile) -> str:
    """How far a file is that is being read."""
    if file.status != _WAITS:
        return ""
    embedded = f", {file.embedded_passages} of them embedded" if file.embedded_passages else ""
    return f", {file.passages} passages{embedded}"


def _assistant(core: Core, name: str) -> Assistant:
    found: Assistant = core.ask(core.admin.GetAssistant, GetAssistantRequest(id=assistant_id(core, name)))
    return found


def _stores(assistant: Assistant) -> list[str]:
    """The vector stores that the assistant searches."""
    described: list[Any] = [
        json.loads(tool.opaque.json) for tool in assistant.defaults.tools.tools if tool.opaque.type == TYPE
    ]
    return [name for tool in described for name in tool.get("vector_store_ids", ())]


def _store(core: Core, assistant: Assistant) -> str:
    """The first of them; one is made, and the tool, where there is none."""
    known = _stores(assistant)
    if known:
        return known[0]
    request = stores_pb.CreateVectorStoreRequest(name=f"Knowledge of {assistant.name}"[:256])
    made: str = core.ask(core.vector_stores.CreateVectorStore, request).id
    changed = Assistant(id=assistant.id)
    changed.defaults.tools.CopyFrom(assistant.defaults.tools)
    described = {"type": TYPE, "vector_store_ids": [made]}
    changed.defaults.tools.tools.append(Tool(opaque=Opaque(type=TYPE, json=json.dumps(described))))
    mask = FieldMask(paths=["defaults.tools"])
    core.ask(core.admin.UpdateAssistant, UpdateAssistantRequest(assistant=changed, update_mask=mask))
    click.echo(f"Made the vector store {made}, and gave {assistant.name} the tool {TYPE}.")
    return made


def _upload(core: Core, path: Path) -> str:
    """The id of the new file."""
    upload_id, offset = "", 0
    with path.open("rb") as source:
        piece = source.read(PIECE_BYTES)
        while following := source.read(PIECE_BYTES):
            upload_id = _write(core, upload_id, offset, piece)
            offset += len(piece)
            piece = following
    request = files_pb.CreateFileRequest(filename=path.name, purpose=File.PURPOSE_ASSISTANTS)
    if upload_id:
        request.upload_id = _write(core, upload_id, offset, piece)
    else:
        request.data = piece
    made: str = core.ask(core.files.CreateFile, request).id
    return made


def _write(core: Core, upload_id: str, offset: int, data: bytes) -> str:
    request = files_pb.WriteFileDataRequest(upload_id=upload_id, offset=offset, data=data)
    told: str = core.ask(core.files.WriteFileData, request).upload_id
    return told


def _read(core: Core, store_id: str, batch_id: str) -> Iterator[VectorStoreFile]:
    """The files of a batch, each once it was read or given up."""
    told: set[str] = set()
    waiting = True
    while waiting:
        listed = list(_files(core, [store_id], batch_id=batch_id))
        waiting = any(file.status == _WAITS for file in listed)
        ready = [file for file in listed if file.status != _WAITS and file.file_id not in told]
        told |= {file.file_id for file in ready}
        yield from ready
        if waiting:
            time.sleep(_PAUSE)


def _files(core: Core, store_ids: Sequence[str], *, batch_id: str = "") -> Iterator[VectorStoreFile]:
    for store_id in store_ids:
        request = stores_pb.ListVectorStoreFilesRequest(vector_store_id=store_id, batch_id=batch_id, oldest_first=True)
        for page in core.pages(core.vector_stores.ListVectorStoreFiles, request):
            yield from page.files
