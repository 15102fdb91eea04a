"""The core as a process, and the only place where its parts are wired: `python -m service --data var`."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    # A start makes what stays: looking for garbage in it is a tenth of its time. `running` looks again.
    gc.disable()

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from service.bootstrap import bootstrap
from service.ids import new_id
from service.journal import write_to_stderr
from service.model.directory import open_model, problem
from service.rpc.listening import AddressError
from service.server import NO_KINDS, Core, serving, start_core
from service.settings import DAY, Settings, SettingsError, now_ms, read_models
from service.tls import TlsError, tls_files
from service.tools.tool import Kind

GARBAGE = (20_000, 20, 50)
"""After how many new objects unreachable cycles are looked for; Python's own 700 cost a tenth of a request."""
SWITCH_SECONDS = 0.0005
"""How long a thread that wants the interpreter waits for the one that has it; Python's own 5 ms is a whole turn of the
loop, in which the writer has something to commit and can't begin."""
FOREVER = 100_000
"""Days: what is longer can't be reckoned with."""
NOT_STARTED = (AddressError, SettingsError, TlsError, OSError, ValueError)
"""What says in words why a core can't start."""

log = logging.getLogger("service")


def main(arguments: Sequence[str], *, kinds: Mapping[str, Kind] = NO_KINDS) -> int:
    """Runs the core until SIGTERM or SIGINT; the exit status is 0 then, and 1 when it can't start.

    `kinds` are kinds of tools that it runs besides its own.
    """
    write_to_stderr()
    # Whatever is made here is for its owner only, in whatever folder.
    os.umask(0o077)
    try:
        uvloop.run(_run(read_settings(arguments), kinds))
    except NOT_STARTED as error:
        log.error("%s", error)
        return 1
    return 0


def read_settings(arguments: Sequence[str]) -> Settings:
    """The settings that the command line gives. Exits with usage for a wrong argument. Raises TlsError."""
    defaults = Settings()
    parser = _parser(defaults)
    given = parser.parse_args(arguments)
    if not 0 < given.keep_days < FOREVER or not 0 <= given.keep_log_days < FOREVER:
        parser.error("--keep-days and --keep-log-days are days, more than 0 and fewer than 100,000")
    if given.max_calls < 1:
        parser.error("--max-calls is a number of calls, 1 or more")
    return Settings(
        data=given.data,
        listen=tuple(given.grpc or defaults.listen),
        base_url=given.base_url,
        way_in=given.way_in,
        insecure=given.insecure,
        tls=tls_files(given.tls_cert, given.tls_key, given.tls_client_ca),
        shared=given.shared,
        lease=given.lease,
        grace=given.grace,
        drain=given.drain,
        max_calls=given.max_calls,
        retention=given.keep_days * DAY,
        log_retention=given.keep_log_days * DAY,
        environment=os.environ,
    )


def _parser(defaults: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service", description="The Nodexa core: gRPC, models, SQLite.")
    parser.add_argument("--data", type=Path, default=defaults.data, help="where everything is kept (default: var)")
    parser.add_argument("--grpc", action="append", metavar="ADDR", help="HOST:PORT or unix:PATH; may be repeated")
    parser.add_argument("--base-url", default=defaults.base_url, help="where the bridge answers, for quickstart.env")
    parser.add_argument(
        "--way-in", default="", metavar="ADDR", help="gRPC address for quickstart.env (default: its own)"
    )
    parser.add_argument("--insecure", action="store_true", help="let gRPC listen beyond this machine unencrypted")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM): encrypts host:port")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM)")
    parser.add_argument("--tls-client-ca", type=Path, metavar="FILE", help="let in only clients that this CA signed")
    parser.add_argument("--shared", action="store_true", help="let other cores share the data directory")
    parser.add_argument("--lease", type=float, default=defaults.lease, help="seconds until a silent core is given up")
    parser.add_argument("--grace", type=float, default=defaults.grace, help="seconds without a reader (default: 10)")
    parser.add_argument("--drain", type=float, default=defaults.drain, help="seconds to end when stopped (default: 5)")
    parser.add_argument("--max-calls", type=int, default=defaults.max_calls, help="calls at a time (default: 20000)")
    parser.add_argument("--keep-days", type=float, default=30, help="how long responses are kept (default: 30)")
    parser.add_argument("--keep-log-days", type=float, default=7, help="how long they can be replayed (default: 7)")
    return parser


def way_in(addresses: Sequence[str], *, encrypted: bool) -> str:
    """The address for the programs of this machine: where TCP is encrypted, a unix socket if there is one."""
    sockets = [address for address in addresses if encrypted and address.startswith("unix:")]
    return [*sockets, *addresses][0]


def heed_signals(stop: Callable[[], None]) -> None:
    """Has `stop` called for SIGTERM and SIGINT, and when what holds the other end of the standard input has ended.

    Takes the place of what was called before.
    """
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if os.environ.get("NODEXA_ENDS_WITH_STDIN"):
        loop.add_reader(sys.stdin.fileno(), orphaned)


@asynccontextmanager
async def running(settings: Settings, kinds: Mapping[str, Kind]) -> AsyncIterator[Core]:
    """A core that takes work; it comes to its end after the block."""
    async with _in_turn(settings):
        core = await _started(settings, kinds)
    try:
        # What stands now stands to the end, and most of what comes goes without cycles: look for them seldom.
        gc.freeze()
        gc.set_threshold(*GARBAGE)
        gc.enable()
        sys.setswitchinterval(SWITCH_SECONDS)
        warming = asyncio.create_task(core.catalog.warm())
        try:
            yield core
        finally:
            warming.cancel()
            await asyncio.wait([warming])
    finally:
        await core.stop()


async def _started(settings: Settings, kinds: Mapping[str, Kind]) -> Core:
    core = await start_core(
        settings,
        open_model=partial(open_model, environment=os.environ),
        problem=partial(problem, environment=os.environ),
        clock=now_ms,
        new_id=new_id,
        from_file=read_models(settings.data),
        kinds=kinds,
    )
    try:
        address = settings.way_in or way_in(core.addresses, encrypted=settings.tls is not None)
        await bootstrap(settings, core.administration, core.keys, clock=now_ms, new_id=new_id, address=address)
        await serving(core)
    except BaseException:
        await core.stop()
        raise
    log.info("listening on %s", ", ".join(core.addresses))
    return core


@asynccontextmanager
async def _in_turn(settings: Settings) -> AsyncIterator[None]:
    """Lets cores that share a directory start one after the other: the first makes what the others find."""
    if not settings.shared:
        yield
        return
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(settings.data / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


async def _run(settings: Settings, kinds: Mapping[str, Kind]) -> None:
    stopped = asyncio.Event()
    heed_signals(stopped.set)
    async with running(settings, kinds):
        await stopped.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
