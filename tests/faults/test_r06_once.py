"""R6: one Idempotency-Key, one run, however often it is sent and whenever the core is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from service.bootstrap import QUICKSTART, read_quickstart
from tests.fakes.chat_server import ChatServer
from tests.fakes.chat_words import Reply
from tests.faults.core_process import SECONDS, assistant_on, wrong_with
from tests.faults.counts import SOAK, count, measured
from tests.faults.restarted import Restarted, restarted
from tests.faults.whole import bridge_process

pytestmark = pytest.mark.timeout(3600 if SOAK else 180)

SENDS: Final = 50
KEYS: Final = count(20, soak=100)
KILLED_DURING: Final = 1
KILLED_AFTER: Final = 3
KILL_EVERY: Final = 5
"""Of so many keys, one loses its core in the middle of its run, and one between two sends."""
AGAIN_SECONDS: Final = 0.5


async def answer_to(http: httpx.AsyncClient, body: dict[str, Any], key: str) -> httpx.Response:
    """The answer to a request that is sent again as long as the answers allow that, as the SDKs do."""
    async with asyncio.timeout(SECONDS):
        while True:
            answer = await http.post("/v1/responses", json=body, headers={"idempotency-key": key})
            if answer.status_code < 500 or answer.headers.get("x-should-retry") == "false":
                return answer
            assert answer.json()["error"]["code"] == "service_unavailable", answer.text
            await asyncio.sleep(AGAIN_SECONDS)


async def expect_one_run(http: httpx.AsyncClient, core: Restarted, upstream: ChatServer, number: int, body: Any) -> str:
    """Sends a request many times at once and fails unless all is one response; how that ended."""
    key, asked, turn = f"order-{number}", len(upstream.requests), number % KILL_EVERY
    if turn == KILLED_DURING:
        # What is to be killed must last until then.
        upstream.replies.append(Reply(fault="stall"))
    sends = asyncio.gather(*(answer_to(http, body, key) for _ in range(SENDS)))
    if turn == KILLED_DURING:
        await upstream.until_asked(asked + 1)
        await core.kill()
    answers = await sends
    if turn == KILLED_AFTER:
        await core.kill()
    answers.append(await answer_to(http, body, key))
    (only,) = Counter((answer.status_code, answer.content) for answer in answers)
    other = await answer_to(http, {**body, "temperature": 0.5}, key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    told = answers[-1].json()
    if turn == KILLED_DURING:
        assert (only[0], told["error"]["code"]) == (500, "server_error")
        return "interrupted"
    assert (only[0], told["status"]) == (200, "completed")
    return "completed"


async def test_a_key_has_one_run_and_all_its_senders_get_the_same(tmp_path: Path) -> None:
    data, address = tmp_path / "var", f"unix:{tmp_path}/core.sock"
    ends = Counter[str]()
    async with (
        ChatServer() as upstream,
        restarted(data, address) as core,
        bridge_process(address) as bridge,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{bridge.port}",
            headers={"authorization": f"Bearer {read_quickstart(data / QUICKSTART)['NODEXA_API_KEY']}"},
            timeout=SECONDS,
            limits=httpx.Limits(max_connections=SENDS),
            trust_env=False,
        ) as http,
    ):
        assistant_id = await assistant_on(core.core, upstream.url)
        for number in range(KEYS):
            body = {"model": assistant_id, "input": f"slow Order {number} now"}
            ends[await expect_one_run(http, core, upstream, number, body)] += 1
        asked = Counter(request.body["messages"][-1]["content"] for request in upstream.requests)
        assert sorted(asked.values()) == [1] * KEYS
    assert wrong_with(data) == []
    measured("R6", keys=KEYS, sends=KEYS * SENDS, calls=sum(asked.values()), **ends)
