"""The first start: an organization, an assistant on the embedded model, a key, and the file that says so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nodexa.v1.admin_pb2 import ApiKey, Assistant, Organization

from service.ids import NewId
from service.rpc.key_maker import KeyMaker
from service.settings import EMBEDDED_MODEL, Clock, Settings
from service.store.administration import Administration, Page

QUICKSTART: Final = "quickstart.env"


async def bootstrap(
    settings: Settings, store: Administration, keys: KeyMaker, *, clock: Clock, new_id: NewId, address: str
) -> None:
    """Makes what a fresh installation lacks, or brings the addresses in `quickstart.env` up to date.

    `address` is the gRPC address that other programs use.
    """
    path = settings.data / QUICKSTART
    addresses = {"NODEXA_BASE_URL": settings.base_url, "NODEXA_GRPC": address}
    organization = next(iter(await store.organizations(Page(1))), None)
    if organization is None:
        organization = Organization(id=new_id("org"), name="First", operator=True)
        await store.add_organization(organization, now=clock())
    if await store.keys(organization.id, Page(1)):
        if path.exists():
            write_quickstart(path, read_quickstart(path) | addresses)
        return
    assistant = next(iter(await store.assistants(organization.id, Page(1))), None)
    if assistant is None:
        # Without instructions: any system prompt at all makes the small embedded model answer worse.
        assistant = Assistant(id=new_id("asst"), name="First", model=EMBEDDED_MODEL)
        await store.add_assistant(assistant, org_id=organization.id, now=clock())
    key, secret = keys.mint(organization.id, "first", [ApiKey.SCOPE_FULL_ACCESS])
    # The key works only after the file says it: a crash in between leads to a new key, never to a lost one.
    write_quickstart(path, {"NODEXA_API_KEY": secret, "NODEXA_ASSISTANT_ID": assistant.id} | addresses)
    await keys.keep(organization.id, key, secret)


def read_quickstart(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of the file; what isn't one is left out."""
    lines = (line.strip().partition("=") for line in path.read_text().splitlines())
    return {name: value for name, found, value in lines if found and not name.startswith("#")}


def write_quickstart(path: Path, values: Mapping[str, str]) -> None:
    """Writes the file whole or not at all, readable by its owner only."""
    names = ["NODEXA_BASE_URL", "NODEXA_API_KEY", "NODEXA_ASSISTANT_ID", "NODEXA_GRPC"]
    ordered = sorted(values, key=lambda name: (names.index(name) if name in names else len(names), name))
    text = "".join(f"{name}={values[name]}\n" for name in ordered)
    partial = path.with_suffix(".partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
