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
    """What to run, all of it checked. `bridges` is None where the core is its own bridge, in one process."""

    data: Path
    http: TcpAddress
    listener: socket.socket
    grpc: TcpAddress | UnixAddress
    inner: UnixAddress
    lock: int
    bridges: int | None
    insecure: bool
    keep_days: float
    keep_log_days: float
    tls: TlsFiles | None = None

    @property
    def base_url(self) -> str:
        """Where HTTP answers."""
        return f"{'https' if self.tls else 'http'}://{self.http.reachable}"

    @property
    def summary(self) -> str:
        """What it is, in words."""
        if self.bridges is None:
            return "core and bridge in one process"
        return f"the core and {self.bridges} bridge{'s' if self.bridges > 1 else ''}"

    def stages(self) -> Sequence[Sequence[Child]]:
        """The processes: each stage ends when those before it have ended."""
        if self.bridges is None:
            return [[self._both()]]
        # The bridges end their clients' streams while the core still answers.
        return [[self._bridge(index, self.bridges) for index in range(self.bridges)], [self._core()]]

    def _both(self) -> Child:
        fd = self.listener.fileno()
        command = module_command("single_process", ["--fd", str(fd), *self._core_arguments()])
        return Child("Nodexa", command, [fd, self.lock], BRIDGE_GRACE + CORE_GRACE)

    def _core(self) -> Child:
        return Child("The core", module_command("service", self._core_arguments()), [self.lock], CORE_GRACE)

    def _bridge(self, index: int, count: int) -> Child:
        fd = self.listener.fileno()
        arguments = ["--fd", str(fd), "--core", str(self.inner), *self._tls_arguments()]
        name = "The bridge" if count == 1 else f"Bridge {index + 1}"
        return Child(name, module_command("rest_bridge", arguments), [fd, self.lock], BRIDGE_GRACE)

    def _core_arguments(self) -> list[str]:
        addresses = dict.fromkeys((str(self.grpc), str(self.inner)))
        arguments = ["--data", str(self.data), *(word for address in addresses for word in ("--grpc", address))]
        arguments += ["--base-url", self.base_url, *(["--insecure"] if self.insecure else [])]
        arguments += ["--keep-days", str(self.keep_days), "--keep-log-days", str(self.keep_log_days)]
        arguments += self._tls_arguments()
        if self.tls and self.tls.client_ca:
            arguments += ["--tls-client-ca", str(self.tls.client_ca)]
        return arguments

    def _tls_arguments(self) -> list[str]:
        return ["--tls-cert", str(self.tls.cert), "--tls-key", str(self.tls.key)] if self.tls else []
