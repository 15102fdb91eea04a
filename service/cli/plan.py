"""What `nodexa serve` runs: the processes, their arguments, and in which order they end."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.cli.addresses import TcpAddress, UnixAddress
from service.cli.processes import module_command
from service.cli.supervisor import BRIDGE_GRACE, CORE_GRACE, Child
from service.tls import TlsFiles


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, all of it checked: a core and `workers` bridges, or `workers` processes that are `single` ones."""

    data: Path
    http: TcpAddress
    listener: socket.socket
    grpc: TcpAddress | UnixAddress
    inner: UnixAddress
    lock: int
    workers: int
    single: bool
    insecure: bool
    keep_days: float
    keep_log_days: float
    tls: TlsFiles | None = None

    @property
    def base_url(self) -> str:
        """Where HTTP answers."""
        return f"{'https' if self.tls else 'http'}://{self.http.reachable}"

    @property
    def way_in(self) -> TcpAddress | UnixAddress:
        """The gRPC address for the programs of this machine: where TCP is encrypted, a socket that isn't."""
        return self.inner if self.tls and isinstance(self.grpc, TcpAddress) else self.grpc

    @property
    def summary(self) -> str:
        """What it is, in words."""
        if not self.single:
            return f"the core and {self.workers} bridge{'s' if self.workers > 1 else ''}"
        return f"{self.workers} processes" if self.workers > 1 else "one process"

    def stages(self) -> Sequence[Sequence[Child]]:
        """The processes: each stage ends when those before it have ended."""
        if self.single:
            return [[self._whole(index) for index in range(self.workers)]]
        # The bridges end their clients' streams while the core still answers.
        return [[self._bridge(index) for index in range(self.workers)], [self._core()]]

    def _whole(self, index: int) -> Child:
        fd, shared = self.listener.fileno(), ["--shared"] if self.workers > 1 else []
        command = module_command("single_process", ["--fd", str(fd), *self._core_arguments(index), *shared])
        name = "Nodexa" if self.workers == 1 else f"Process {index + 1}"
        return Child(name, command, [fd, self.lock], BRIDGE_GRACE + CORE_GRACE)

    def _core(self) -> Child:
        return Child("The core", module_command("service", self._core_arguments()), [self.lock], CORE_GRACE)

    def _bridge(self, index: int) -> Child:
        fd = self.listener.fileno()
        arguments = ["--fd", str(fd), "--core", str(self.inner), *self._tls_arguments()]
        name = "The bridge" if self.workers == 1 else f"Bridge {index + 1}"
        return Child(name, module_command("rest_bridge", arguments), [fd, self.lock], BRIDGE_GRACE)

    def _core_arguments(self, index: int = 0) -> list[str]:
        arguments = ["--data", str(self.data), "--base-url", self.base_url, "--way-in", str(self.way_in)]
        arguments += [word for address in self._addresses(index) for word in ("--grpc", str(address))]
        arguments += ["--insecure"] if self.insecure else []
        arguments += ["--keep-days", str(self.keep_days), "--keep-log-days", str(self.keep_log_days)]
        arguments += self._tls_arguments()
        if self.tls and self.tls.client_ca:
            arguments += ["--tls-client-ca", str(self.tls.client_ca)]
        return arguments

    def _addresses(self, index: int) -> list[TcpAddress | UnixAddress]:
        """A port can be listened on by several processes, a socket only by the first of them."""
        if index == 0:
            return list(dict.fromkeys((self.grpc, self.inner)))
        own = UnixAddress(self.inner.path.with_name(f"core-{index + 1}.sock"))
        return [own] if isinstance(self.grpc, UnixAddress) else [self.grpc, own]

    def _tls_arguments(self) -> list[str]:
        return ["--tls-cert", str(self.tls.cert), "--tls-key", str(self.tls.key)] if self.tls else []
