"""Models: added, shown, refused and removed; an operator's own stay."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from nodexa.v1 import admin_service_pb2 as pb
from nodexa.v1.admin_pb2 import Assistant, Model

from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import create

MODEL = "smollm2-135m"


async def make(core: CoreUnderTest, *, model: str) -> Assistant:
    request = pb.CreateAssistantRequest(assistant=Assistant(name="Anna", model=model))
    return await core.admin.CreateAssistant(request, metadata=core.metadata())


async def add_model(core: CoreUnderTest, **fields: Any) -> Model:
    model = Model(**{"name": "m", "kind": Model.KIND_OPENAI_CHAT, "base_url": "http://127.0.0.1:9/v1", **fields})
    return await core.admin.CreateModel(pb.CreateModelRequest(model=model), metadata=core.metadata())


async def model_names(core: CoreUnderTest) -> list[str]:
    answer = await core.admin.ListModels(pb.ListModelsRequest(), metadata=core.metadata())
    return [model.name for model in answer.models]


async def test_a_model_can_be_added_used_and_removed_when_nobody_uses_it(core: CoreUnderTest) -> None:
    added = await add_model(core, name="vllm:qwen/3", api_key_env="QWEN_KEY", upstream_model="qwen")
    assert not added.from_file
    assert await model_names(core) == [MODEL, "vllm:qwen/3"]
    assistant = await make(core, model="vllm:qwen/3")
    removal = pb.DeleteModelRequest(name="vllm:qwen/3")

    answer = await refusal(core.admin.DeleteModel(removal, metadata=core.metadata()))
    assert (answer.status, answer.reason, answer.param) == ("FAILED_PRECONDITION", "model_in_use", "name")
    await core.admin.DeleteAssistant(pb.DeleteAssistantRequest(id=assistant.id), metadata=core.metadata())
    await core.admin.DeleteModel(removal, metadata=core.metadata())

    assert await model_names(core) == [MODEL]
    assert (await refusal(core.admin.DeleteModel(removal, metadata=core.metadata()))).reason == "model_not_found"


async def test_the_operator_s_own_models_stay(core: CoreUnderTest) -> None:
    answer = await refusal(core.admin.DeleteModel(pb.DeleteModelRequest(name=MODEL), metadata=core.metadata()))

    assert answer.reason == "model_in_use"
    assert "file" in answer.message


async def test_of_many_that_add_the_same_model_at_once_one_does(core: CoreUnderTest) -> None:
    tried = await asyncio.gather(*(add_model(core) for _ in range(10)), return_exceptions=True)

    refused = [error for error in tried if isinstance(error, grpc.aio.AioRpcError)]
    assert len(refused) == 9
    assert {error.code() for error in refused} == {grpc.StatusCode.ALREADY_EXISTS}
    assert await model_names(core) == ["m", MODEL]


BAD_MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "model.name"),
    "a name with a space": ({"name": "a b"}, "model.name"),
    "no kind": ({"kind": 0}, "model.kind"),
    "an unknown kind": ({"kind": 99}, "model.kind"),
    "no address": ({"base_url": ""}, "model.base_url"),
    "another scheme": ({"base_url": "file:///etc/passwd"}, "model.base_url"),
    "no host": ({"base_url": "http:///v1"}, "model.base_url"),
    "a port that is none": ({"base_url": "http://h:99999/v1"}, "model.base_url"),
    "a password": ({"base_url": "http://user:secret@h/v1"}, "model.base_url"),
    "a query": ({"base_url": "http://h/v1?key=secret"}, "model.base_url"),
    "a key instead of its variable": ({"api_key_env": "sk-secret"}, "model.api_key_env"),
    "nobody to ask for responses": ({"kind": Model.KIND_OPENAI_RESPONSES, "base_url": ""}, "model.base_url"),
    "Anthropic without a key": ({"kind": Model.KIND_ANTHROPIC, "base_url": ""}, "model.api_key_env"),
    "Google without a key": ({"kind": Model.KIND_GEMINI, "base_url": ""}, "model.api_key_env"),
    "a made-up address": ({"kind": Model.KIND_GEMINI, "base_url": "nowhere"}, "model.base_url"),
    "weights on a server": ({"gguf": "/w.gguf"}, "model.gguf"),
    "no patience at all": ({"idle_seconds": 0.0}, "model.idle_seconds"),
    "endless patience": ({"total_seconds": float("inf")}, "model.total_seconds"),
    "a whole answer's time where there is none": (
        {"kind": Model.KIND_GEMINI, "base_url": "http://h/v1", "total_seconds": 60.0},
        "model.total_seconds",
    ),
    "a server for weights": ({"kind": Model.KIND_EMBEDDED}, "model"),
    "output only": ({"from_file": True}, "model"),
    "output only, too": ({"problem": "none"}, "model"),
}


async def test_a_vendor_s_own_server_needs_only_a_key(core: CoreUnderTest) -> None:
    added = await add_model(core, kind=Model.KIND_ANTHROPIC, base_url="", api_key_env="VENDOR_KEY", files=True)

    assert (added.base_url, added.api_key_env, added.files) == ("", "VENDOR_KEY", True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("fields", "param"), BAD_MODELS.values(), ids=BAD_MODELS)
async def test_a_model_that_could_not_be_reached_is_refused(
    shared: CoreUnderTest, fields: dict[str, Any], param: str
) -> None:
    answer = await refusal(add_model(shared, **fields))

    assert (answer.status, answer.reason, answer.param) == ("INVALID_ARGUMENT", "invalid_request", param)
    assert "secret" not in answer.message
    assert await model_names(shared) == [MODEL]


async def test_an_assistant_whose_model_is_gone_says_so(core: CoreUnderTest) -> None:
    await add_model(core)
    assistant = await make(core, model="m")
    await core.core.administration.delete_model("m")
    core.core.catalog.forget()

    answer = await refusal(create(core, assistant_id=assistant.id))

    assert (answer.status, answer.reason, answer.param) == ("NOT_FOUND", "model_not_found", "model")
