"""The way to a core over gRPC: calls with the key on them, refusals turned into words."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

import click
import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from nodexa.v1.admin_service_pb2_grpc import AdminServiceStub
from nodexa.v1.file_service_pb2_grpc import FileServiceStub
from nodexa.v1.response_service_pb2_grpc import ResponseServiceStub
from nodexa.v1.user_data_service_pb2_grpc import UserDataServiceStub
from nodexa.v1.vector_store_service_pb2_grpc import VectorStoreServiceStub

from service.cli.target import Target, find_target
from service.tls import TlsError, read_authorities, read_identity

_SECONDS: Final = 30.0
_PAGE: Final = 100
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    # A core is called directly; a proxy for the web knows nothing of it.
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class _Page(Protocol):
    @property
    def next_page_token(self) -> str: ...


Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)
Page = TypeVar("Page", bound=_Page)


class Stream(Protocol[Answer_co]):
    """A running call: its messages as they come, until it ends or is cancelled."""

    def __iter__(self) -> Iterator[Answer_co]: ...

    def cancel(self) -> object:
        """Ends the call; the iteration raises grpc.RpcError."""


class Core:
    """A core that can be called: its services, and the key that every call carries."""

    def __init__(self, channel: grpc.Channel, target: Target) -> None:
        self.target = target
        self.admin: Final = AdminServiceStub(channel)
        self.user_data: Final = UserDataServiceStub(channel)
        self.responses: Final = ResponseServiceStub(channel)
        self.files: Final = FileServiceStub(channel)
        self.vector_stores: Final = VectorStoreServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {target.api_key}"),)

    def ask(
        self, method: grpc.UnaryUnaryMultiCallable[Any, Answer], request: Message, *, seconds: float = _SECONDS
    ) -> Answer:
        """The answer of a unary method, within so many seconds. Raises grpc.RpcError."""
        return method(request, metadata=self._metadata, timeout=seconds)

    def stream(self, method: grpc.UnaryStreamMultiCallable[Any, Answer], request: Message) -> Stream[Answer]:
        """The running call of a streaming method: an iterator that can be cancelled."""
        return method(request, metadata=self._metadata)

    def pages(self, method: grpc.UnaryUnaryMultiCallable[Any, Page], request: Any) -> Iterator[Page]:
        """The answers of a listing method, page after page. Raises grpc.RpcError."""
        request.page_size = _PAGE
        while True:
            page = self.ask(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


@contextlib.contextmanager
def connect(data: Path | None) -> Iterator[Core]:
    """The core that `data` or the environment names; a refusal inside becomes a ClickException."""
    target = find_target(data, os.environ)
    with _channel(target) as channel:
        try:
            yield Core(channel, target)
        except grpc.RpcError as error:
            raise click.ClickException(explain(error, target.grpc)) from None


def _channel(target: Target) -> grpc.Channel:
    if not target.ca or target.grpc.startswith("unix:"):
        return grpc.insecure_channel(target.grpc, options=_OPTIONS)
    try:
        authorities = read_authorities(Path(target.ca))
        own = read_identity(Path(target.cert), Path(target.private_key)) if target.cert else None
    except TlsError as error:
        raise click.ClickException(f"No TLS with the core at {target.grpc}: {error}.") from None
    credentials = grpc.ssl_channel_credentials(authorities, *((own.key, own.chain) if own else ()))
    return grpc.secure_channel(target.grpc, credentials, options=_OPTIONS)


def explain(error: grpc.RpcError, address: str) -> str:
    """What a person should read about a failed call: the core's own message and the field it names, where it did."""
    status: Any = rpc_status.from_call(cast("grpc.Call", error))
    info = ErrorInfo()
    if status is not None and any(detail.Unpack(info) for detail in status.details):
        param = info.metadata.get("param", "")
        return f"{status.message} [{', '.join(filter(None, (info.reason, param and f'param {param}')))}]"
    if error.code() is grpc.StatusCode.UNAVAILABLE and "andshake" in (error.details() or ""):
        return (
            f"The core at {address} and this client can't agree on TLS: {_reason(error.details() or '')}. Check the "
            "files in NODEXA_GRPC_CA, NODEXA_GRPC_CERT and NODEXA_GRPC_KEY, and whether the core has --tls-cert at all."
        )
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return f"No core answers at {address}. Start it with `nodexa serve`, or name one by --data or NODEXA_GRPC."
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The core at {address} did not answer within {_SECONDS:.0f} seconds. Try again, or look at its log."
    return f"The server at {address} answered {error.code().name}: {error.details()}"


def _reason(details: str) -> str:
    """The last and plainest part of what the TLS library says."""
    return details.rpartition("OPENSSL_internal:")[2].strip().replace("_", " ").lower() or "the handshake failed"
