"""What operators and tools ask of any gRPC server: is it well, and what does it offer."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from service.model.scripted import ScriptedModel
from service.settings import Settings
from tests.conftest import CoreUnderTest, running_core
from tests.service.rpc.rpcs import SERVICES


# The stubs of grpcio's companions come without their methods.
def health(core: CoreUnderTest) -> Any:
    return HealthStub(core.channel)


def reflection(core: CoreUnderTest) -> Any:
    stub: Any = ServerReflectionStub
    return stub(core.channel)


NAMES = ["", *(service.full_name for service in SERVICES)]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name or "the server")
async def test_a_running_core_says_without_a_key_that_it_serves(core: CoreUnderTest, name: str) -> None:
    answer = await health(core).Check(HealthCheckRequest(service=name))

    assert answer.status == HealthCheckResponse.SERVING


async def test_a_core_that_still_starts_says_so(settings: Settings, model: ScriptedModel) -> None:
    async with running_core(settings, model, serves=False) as core:
        answer = await health(core).Check(HealthCheckRequest())

    assert answer.status == HealthCheckResponse.NOT_SERVING


async def test_whoever_watches_hears_that_the_core_is_leaving(core: CoreUnderTest) -> None:
    watching = aiter(health(core).Watch(HealthCheckRequest()))
    assert (await anext(watching)).status == HealthCheckResponse.SERVING

    await core.core.health.enter_graceful_shutdown()

    assert (await anext(watching)).status == HealthCheckResponse.NOT_SERVING


async def test_the_health_of_a_stranger_is_unknown(core: CoreUnderTest) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health(core).Check(HealthCheckRequest(service="nodexa.v1.Nothing"))

    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_every_service_and_describes_it(core: CoreUnderTest) -> None:
    asked = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol="nodexa.v1.ResponseService"),
    ]

    answers = [answer async for answer in reflection(core).ServerReflectionInfo(iter(asked))]

    listed = {service.name for service in answers[0].list_services_response.service}
    assert listed >= {*NAMES[1:], "grpc.health.v1.Health"}
    files = b"".join(answers[1].file_descriptor_response.file_descriptor_proto)
    assert b"StreamResponse" in files
