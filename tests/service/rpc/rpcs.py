"""Every RPC of the contract as the descriptors tell it, and a way to call one by its name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from nodexa.v1 import (
    admin_service_pb2,
    conversation_service_pb2,
    file_service_pb2,
    response_service_pb2,
    user_data_service_pb2,
    user_service_pb2,
    vector_store_service_pb2,
)

SERVICES: Final = [
    *response_service_pb2.DESCRIPTOR.services_by_name.values(),
    *conversation_service_pb2.DESCRIPTOR.services_by_name.values(),
    *file_service_pb2.DESCRIPTOR.services_by_name.values(),
    *vector_store_service_pb2.DESCRIPTOR.services_by_name.values(),
    *user_service_pb2.DESCRIPTOR.services_by_name.values(),
    *user_data_service_pb2.DESCRIPTOR.services_by_name.values(),
    *admin_service_pb2.DESCRIPTOR.services_by_name.values(),
]
METHODS: Final[Mapping[str, MethodDescriptor]] = {
    f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods
}


def request_of(method: str, **fields: Any) -> Message:
    """A request of the RPC with these fields."""
    return GetMessageClass(METHODS[method].input_type)(**fields)


def rpc(
    channel: grpc.aio.Channel, method: str, request: Message | bytes, metadata: list[tuple[str, str]]
) -> Awaitable[Message] | AsyncIterator[Message]:
    """The call of the RPC; a request of bytes is sent as it is."""
    described = METHODS[method]
    multicallable: Any = channel.unary_stream if described.server_streaming else channel.unary_unary
    call: Awaitable[Message] | AsyncIterator[Message] = multicallable(
        method,
        request_serializer=lambda sent: sent if isinstance(sent, bytes) else sent.SerializeToString(),
        response_deserializer=GetMessageClass(described.output_type).FromString,
    )(request, metadata=metadata)
    return call
