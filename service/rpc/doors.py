"""The services behind both doors: plain calls, and those of bridges."""

from __future__ import annotations

from typing import cast

import grpc
from nodexa.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from nodexa.v1.conversation_service_pb2_grpc import add_ConversationServiceServicer_to_server
from nodexa.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from nodexa.v1.response_service_pb2_grpc import add_ResponseServiceServicer_to_server
from nodexa.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server
from nodexa.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from nodexa.v1.vector_store_service_pb2_grpc import add_VectorStoreServiceServicer_to_server

from service.rpc.admin import AdminServicer
from service.rpc.at_once import CREATE, STREAM, CallsAtOnce
from service.rpc.conversations import ConversationServicer
from service.rpc.files import FileServicer
from service.rpc.gate import Gate
from service.rpc.hop import Bridges, Rpcs
from service.rpc.responses import ResponseServicer
from service.rpc.user_data import UserDataServicer
from service.rpc.users import UserServicer
from service.rpc.vector_stores import VectorStoreServicer
from service.settings import Settings


def open_doors(
    server: grpc.aio.Server,
    gate: Gate,
    *,
    responses: ResponseServicer,
    conversations: ConversationServicer,
    files: FileServicer,
    vector_stores: VectorStoreServicer,
    users: UserServicer,
    user_data: UserDataServicer,
    admin: AdminServicer,
    settings: Settings,
) -> Bridges:
    """Adds all services to `server`, which has `gate` before them, and returns the door for bridges."""
    rpcs = Rpcs()
    for door in (server, cast(grpc.aio.Server, rpcs)):
        add_ResponseServiceServicer_to_server(responses, door)
        add_ConversationServiceServicer_to_server(conversations, door)
        add_FileServiceServicer_to_server(files, door)
        add_VectorStoreServiceServicer_to_server(vector_stores, door)
        add_UserServiceServicer_to_server(users, door)
        add_UserDataServiceServicer_to_server(user_data, door)
        add_AdminServiceServicer_to_server(admin, door)
    guarded = {method: gate.before(handler, method) for method, handler in rpcs.items()}
    bridges = Bridges(
        guarded,
        max_message_bytes=settings.max_message_bytes,
        most=settings.max_calls,
        at_once={
            CREATE: CallsAtOnce(gate, responses.runner, streaming=False).begin,
            STREAM: CallsAtOnce(gate, responses.runner, streaming=True).begin,
        },
    )
    server.add_generic_rpc_handlers((bridges.rpc(),))
    return bridges
