"""Errors on the wire: a status, one ErrorInfo, and nothing that a caller has no business with."""

from __future__ import annotations

from typing import Any

import pytest
from nodexa.v1.response_service_pb2 import CreateResponseRequest, GetResponseRequest, WatchResponseRequest

from service.errors import STATUS_OF, NodexaError
from service.model.chunk import TextDelta
from service.model.scripted import STOP, says
from tests.conftest import CoreUnderTest
from tests.service.refusals import refusal
from tests.service.requests import asking, create, get, stream
from tests.service.rpc.rpcs import METHODS, rpc
from tests.service.runner.ladder import climb, kinds

ACTED_UPON = sorted(code for code, status in STATUS_OF.items() if status != "UNKNOWN")
ONLY_TOLD = sorted(code for code, status in STATUS_OF.items() if status == "UNKNOWN")


async def test_an_error_has_one_reason_and_names_the_field(core: CoreUnderTest) -> None:
    request = CreateResponseRequest(assistant_id="gpt-4")
    answer = await refusal(core.responses.CreateResponse(request, metadata=core.metadata(x_request_id="my-request")))

    assert answer.status == "INVALID_ARGUMENT"
    assert (answer.reason, answer.domain, answer.param) == ("invalid_model", "nodexa", "model")
    assert answer.retry_after is None
    assert answer.response_id == ""
    assert answer.request_id == "my-request"


async def test_every_answer_carries_the_request_id(core: CoreUnderTest) -> None:
    core.model.add(says("Hi"), says("Hi"))
    unary = core.responses.CreateResponse(asking(core), metadata=core.metadata(x_request_id="one"))
    streamed = core.responses.StreamResponse(asking(core), metadata=core.metadata(x_request_id="two"))
    await unary
    assert [batch async for batch in streamed]

    assert ("x-request-id", "one") in list(await unary.trailing_metadata())
    assert ("x-request-id", "two") in list(await streamed.trailing_metadata())


@pytest.mark.parametrize("given", ["", "two words", "x" * 129])
async def test_a_request_id_that_is_none_is_replaced(core: CoreUnderTest, given: str) -> None:
    request = GetResponseRequest(id="resp_none")

    answer = await refusal(core.responses.GetResponse(request, metadata=core.metadata(x_request_id=given)))

    assert answer.request_id.startswith("req_")


async def test_a_request_without_an_id_gets_one(core: CoreUnderTest) -> None:
    first = await refusal(core.responses.GetResponse(GetResponseRequest(id="resp_none"), metadata=core.metadata()))
    second = await refusal(core.responses.GetResponse(GetResponseRequest(id="resp_none"), metadata=core.metadata()))

    assert first.request_id.startswith("req_")
    assert first.request_id != second.request_id


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("code", ACTED_UPON)
async def test_a_failure_before_any_output_is_told_by_its_code_and_kept(shared: CoreUnderTest, code: str) -> None:
    shared.model.add([NodexaError(code, "Words for people.", retry_after=6.2)])

    answer = await refusal(shared.responses.CreateResponse(asking(shared), metadata=shared.metadata()))

    assert (answer.status, answer.reason, answer.message) == (STATUS_OF[code], code, "Words for people.")
    assert answer.retry_after == 7
    stored = await get(shared, answer.response_id)
    assert (stored.error.code, stored.error.message) == (code, "Words for people.")


@pytest.mark.parametrize("code", ONLY_TOLD)
async def test_a_failure_that_nobody_can_act_upon_is_a_failed_response(core: CoreUnderTest, code: str) -> None:
    core.model.add([NodexaError(code, "Words for people.")])

    response = await create(core)

    assert response.error.code == code


@pytest.mark.parametrize("code", ["upstream_error", "upstream_timeout", "rate_limit_exceeded"])
async def test_a_failure_after_output_is_a_failed_response(core: CoreUnderTest, code: str) -> None:
    core.model.add([[TextDelta("Once")], NodexaError(code, "It broke.")])

    response = await create(core)

    assert response.error.code == code
    assert response.output[0].message.content[0].output_text.text == "Once"


@pytest.mark.parametrize("before", [[], [[TextDelta("Once")]]], ids=["before output", "after output"])
async def test_a_failure_in_a_stream_is_an_event_and_never_a_grpc_error(
    core: CoreUnderTest, before: list[list[TextDelta]]
) -> None:
    core.model.add([*before, NodexaError("upstream_timeout", "It hangs.", param="model")])

    events = await stream(core)

    climb(events)
    assert kinds(events)[-2:] == ["error", "failed"]
    assert events[-2].error == events[-1].failed.response.error
    error = events[-2].error
    assert (error.code, error.message, error.param) == ("upstream_timeout", "It hangs.", "model")


async def test_a_bug_of_ours_tells_its_request_id_and_nothing_else(core: CoreUnderTest) -> None:
    core.model.add([RuntimeError("secret")])

    answer = await refusal(core.responses.CreateResponse(asking(core), metadata=core.metadata()))

    assert (answer.status, answer.reason) == ("INTERNAL", "internal_error")
    assert "secret" not in repr(answer)
    stored = await get(core, answer.response_id)
    assert "secret" not in str(stored)


async def test_a_bug_outside_of_a_run_tells_its_request_id_and_nothing_else(core: CoreUnderTest) -> None:
    # SQL that names a table which isn't there is a bug of ours.
    await core.core.database.write(lambda db: db.execute("alter table response_requests rename to elsewhere"))
    request = GetResponseRequest(id="resp_none")

    answer = await refusal(core.responses.GetResponse(request, metadata=core.metadata(x_request_id="tell")))

    assert (answer.status, answer.reason, answer.request_id) == ("INTERNAL", "internal_error", "tell")
    assert answer.message.endswith("the request id tell.")
    assert "response_requests" not in repr(answer)


async def test_a_long_quotation_does_not_drown_the_error(core: CoreUnderTest) -> None:
    request = GetResponseRequest(id="\N{SNOWMAN}" * 100_000)

    answer = await refusal(core.responses.GetResponse(request, metadata=core.metadata()))

    assert (answer.status, answer.reason) == ("NOT_FOUND", "response_not_found")
    assert answer.message.endswith(" …")


async def test_line_breaks_in_an_id_stay_inside_the_message(core: CoreUnderTest) -> None:
    request = WatchResponseRequest(id="a\r\nx-evil: 1\x00")

    answer = await refusal(core.responses.WatchResponse(request, metadata=core.metadata()))

    assert answer.reason == "response_not_found"
    assert "\n" not in answer.message


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.rpartition("/")[2])
async def test_bytes_that_are_no_message_are_refused_in_words(shared: CoreUnderTest, method: str) -> None:
    answer = await refusal(rpc(shared.channel, method, b"\xff\xff\xff\xff", shared.metadata()))

    assert (answer.status, answer.reason) == ("INVALID_ARGUMENT", "invalid_request")


async def test_text_that_is_not_utf_8_is_refused_in_words(core: CoreUnderTest) -> None:
    field_1_of_three_bytes = b"\x0a\x03\xff\xfe\xfd"
    method = "/nodexa.v1.ResponseService/CreateResponse"

    answer = await refusal(rpc(core.channel, method, field_1_of_three_bytes, core.metadata()))

    assert (answer.status, answer.reason) == ("INVALID_ARGUMENT", "invalid_request")


async def test_garbage_without_a_key_is_not_even_read(core: CoreUnderTest) -> None:
    answer = await refusal(rpc(core.channel, "/nodexa.v1.ResponseService/CreateResponse", b"\xff\xff", []))

    assert answer.reason == "missing_api_key"


async def test_a_message_that_is_too_large_is_refused_by_its_size(core: CoreUnderTest) -> None:
    limit = core.core.settings.max_message_bytes

    answer = await refusal(core.responses.CreateResponse(asking(core, "x" * limit), metadata=core.metadata()))

    assert answer.status == "RESOURCE_EXHAUSTED"


async def test_an_unknown_rpc_is_unimplemented(core: CoreUnderTest) -> None:
    guess: Any = core.channel.unary_unary("/nodexa.v1.ResponseService/Guess")

    assert (await refusal(guess(b"", metadata=core.metadata()))).status == "UNIMPLEMENTED"


async def test_a_failed_run_does_not_stay_behind(core: CoreUnderTest) -> None:
    core.model.add([RuntimeError("secret")], [[TextDelta("Hi"), STOP]])
    await refusal(core.responses.CreateResponse(asking(core), metadata=core.metadata()))

    assert (await create(core)).output
