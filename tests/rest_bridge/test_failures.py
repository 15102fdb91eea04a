"""Failures as clients meet them: status, type, code and headers; what the SDK raises, and how often it asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import openai
import pytest
from grpc import StatusCode

from rest_bridge.settings import Settings
from service.model.scripted import says
from tests.conftest import CoreUnderTest
from tests.rest_bridge.conftest import BridgeUnderTest, running_bridge
from tests.rest_bridge.fake_core import refuses, serving_fake, tells


@dataclass(frozen=True, slots=True)
class Failure:
    """What the core ends a call with, and what comes of it. `asked` is how often an SDK that retries once asks."""

    core: tuple[StatusCode, str]
    status: int
    kind: str
    raised: type[openai.APIStatusError]
    asked: int = 1
    existing: bool = False
    wait: int | None = None
    code: str = ""
    retry_after: str | None = None
    should_retry: str | None = None


BAD, SERVER = "invalid_request_error", "server_error"
FAILURES = {
    "a bad field": Failure((StatusCode.INVALID_ARGUMENT, "invalid_model"), 400, BAD, openai.BadRequestError),
    "a key": Failure(
        (StatusCode.UNAUTHENTICATED, "invalid_api_key"), 401, "authentication_error", openai.AuthenticationError
    ),
    "a scope": Failure(
        (StatusCode.PERMISSION_DENIED, "insufficient_scope"), 403, "permission_error", openai.PermissionDeniedError
    ),
    "nobody there": Failure((StatusCode.NOT_FOUND, "assistant_not_found"), 404, BAD, openai.NotFoundError),
    "a turn before that runs": Failure(
        (StatusCode.FAILED_PRECONDITION, "response_not_ready"), 409, BAD, openai.ConflictError, should_retry="false"
    ),
    "a prompt that is too long": Failure(
        (StatusCode.FAILED_PRECONDITION, "context_length_exceeded"), 400, BAD, openai.BadRequestError
    ),
    "too many requests": Failure(
        (StatusCode.RESOURCE_EXHAUSTED, "rate_limit_exceeded"),
        429,
        "rate_limit_error",
        openai.RateLimitError,
        asked=2,
        wait=1,
        retry_after="1",
    ),
    "a model server that is throttled": Failure(
        (StatusCode.RESOURCE_EXHAUSTED, "rate_limit_exceeded"),
        429,
        "rate_limit_error",
        openai.RateLimitError,
        existing=True,
        wait=7,
        retry_after="7",
        should_retry="false",
    ),
    "a model server that fails": Failure(
        (StatusCode.UNAVAILABLE, "upstream_error"),
        502,
        SERVER,
        openai.InternalServerError,
        existing=True,
        should_retry="false",
    ),
    "a model server that refuses our key": Failure(
        (StatusCode.UNAVAILABLE, "upstream_auth_error"),
        502,
        SERVER,
        openai.InternalServerError,
        existing=True,
        should_retry="false",
    ),
    "a model server that hangs": Failure(
        (StatusCode.DEADLINE_EXCEEDED, "upstream_timeout"),
        504,
        SERVER,
        openai.InternalServerError,
        existing=True,
        should_retry="false",
    ),
    "a full disk": Failure(
        (StatusCode.UNAVAILABLE, "storage_unavailable"), 503, SERVER, openai.InternalServerError, 2, retry_after="1"
    ),
    "a stop": Failure(
        (StatusCode.UNAVAILABLE, "server_draining"), 503, SERVER, openai.InternalServerError, 2, retry_after="1"
    ),
    "a bug": Failure(
        (StatusCode.INTERNAL, "internal_error"), 500, SERVER, openai.InternalServerError, should_retry="false"
    ),
    "words of nobody": Failure(
        (StatusCode.UNKNOWN, ""),
        500,
        SERVER,
        openai.InternalServerError,
        code="internal_error",
        should_retry="false",
    ),
    "a core lost with the request": Failure(
        (StatusCode.UNAVAILABLE, ""),
        503,
        SERVER,
        openai.InternalServerError,
        code="service_unavailable",
        retry_after="1",
        should_retry="false",
    ),
    "a core that takes too long": Failure(
        (StatusCode.DEADLINE_EXCEEDED, ""),
        504,
        SERVER,
        openai.InternalServerError,
        code="deadline_exceeded",
        should_retry="false",
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_is_told_as_what_it_is_and_asked_about_again_only_where_that_helps(
    tmp_path: Path, failure: Failure, *, stream: bool
) -> None:
    status, reason = failure.core
    end = refuses(
        status, reason, response_id="resp_1" if failure.existing else "", retry_seconds=failure.wait, message="Told."
    )
    async with (
        serving_fake(address := f"unix:{tmp_path / 'core'}", *[tells(then=end)] * 3) as fake,
        running_bridge(address, Settings(drain_seconds=0.2, stop_seconds=5), key="nxk_any") as bridge,
    ):
        await bridge.bridge.core.ready()
        async with bridge.sdk().with_options(max_retries=1) as sdk:
            with pytest.raises(openai.APIStatusError) as caught:
                await sdk.responses.create(model="asst_1", input="Hi", stream=stream)
    error = caught.value
    assert type(error) is failure.raised
    assert (error.status_code, error.type, error.code) == (failure.status, failure.kind, failure.code or reason)
    assert error.response.headers.get("retry-after") == failure.retry_after
    assert error.response.headers.get("x-should-retry") == failure.should_retry
    assert error.request_id
    assert len(fake.calls) == failure.asked


async def test_a_wait_of_the_client_is_the_one_that_was_named(tmp_path: Path) -> None:
    end = refuses(grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limit_exceeded", retry_seconds=61)
    async with (
        serving_fake(address := f"unix:{tmp_path / 'core'}", tells(then=end)),
        running_bridge(address, Settings(drain_seconds=0.2, stop_seconds=5), key="nxk_any") as bridge,
        bridge.http() as http,
    ):
        answer = await http.post("/v1/responses", json={"model": "asst_1", "input": "Hi"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "61")
    assert "x-should-retry" not in answer.headers


async def test_an_sdks_second_try_stands_in_the_log(core: CoreUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="rest_bridge.app")
    core.model.add(says("Hello"))
    settings = Settings(drain_seconds=0.2, stop_seconds=5, access_log=True)
    async with (
        running_bridge(core.address, settings, key=core.key, assistant_id=core.assistant_id) as bridge,
        bridge.http() as http,
    ):
        await _sent(http, bridge, "1")
        for word in ("0", "-1", "1e3", "9999", "x", ""):
            await http.get("/healthz", headers={"x-stainless-retry-count": word})
    noted = [record for record in caplog.records if hasattr(record, "retry")]
    assert [(record.getMessage(), record.__dict__["retry"]) for record in noted] == [("POST /v1/responses 200", 1)]


async def _sent(http: httpx.AsyncClient, bridge: BridgeUnderTest, count: str) -> None:
    answer = await http.post("/v1/responses", json=bridge.body(), headers={"x-stainless-retry-count": count})
    assert answer.status_code == 200
