"""Compaction and sealed reasoning through the Python SDK: what a client that keeps its own history sends again."""

from __future__ import annotations

from typing import Any, cast

import openai
import pytest
from openai.types.responses import Response

from tests.sdk.stack import Stack
from tests.sdk.stories import TOOLS

WANTED: Any = ["reasoning.encrypted_content"]


def history(response: Response) -> list[Any]:
    """The output as Codex keeps it: of reasoning only what is sealed."""
    items = [item.to_dict() for item in response.output]
    return [{**item, "summary": [], "content": None} if item["type"] == "reasoning" else item for item in items]


def test_a_compacted_conversation_goes_on(client: openai.OpenAI, assistant: str, stack: Stack) -> None:
    first = client.responses.create(model=assistant, input="The password is heron-7")
    asked: list[Any] = [{"role": "user", "content": "The password is heron-7"}, *history(first)]

    by_id = client.responses.compact(model=assistant, previous_response_id=first.id)
    by_items = client.responses.compact(model=assistant, input=asked, instructions="Be brief.")

    for short in (by_id, by_items):
        assert (short.object, [item.type for item in short.output]) == ("response.compaction", ["compaction"])
        assert short.usage.total_tokens > 0
        items: list[Any] = [*(item.to_dict() for item in short.output), {"role": "user", "content": "What was it?"}]
        answer = client.responses.create(model=assistant, input=items)
        assert answer.output_text == "What was it?"
    # The fake model's summary is the request for one, said again.
    note, summary, question = stack.asked("What was it?")[-1]["messages"]
    assert (note["role"], summary["role"], question["role"]) == ("user", "assistant", "user")
    assert summary["content"].startswith("Summary of the conversation so far:")
    assert "heron-7" not in str(summary)


def test_what_is_no_compaction_of_ours_is_refused(client: openai.OpenAI, assistant: str) -> None:
    items: list[Any] = [{"type": "compaction", "encrypted_content": "gAAAAABpM0Yj"}, {"role": "user", "content": "Hi"}]
    with pytest.raises(openai.BadRequestError) as refusal:
        client.responses.create(model=assistant, input=items)
    assert (refusal.value.code, refusal.value.param) == ("invalid_encrypted_content", "input[0].encrypted_content")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_sealed_reasoning_goes_round_in_a_loop_of_calls(
    client: openai.OpenAI, assistant: str, *, streamed: bool
) -> None:
    def ask(items: list[Any]) -> Response:
        settings: dict[str, Any] = {"model": assistant, "store": False, "include": WANTED, "tools": TOOLS}
        if not streamed:
            return cast(Response, client.responses.create(input=items, **settings))
        with client.responses.stream(input=items, **settings) as stream:
            return cast(Response, stream.get_final_response())

    items: list[Any] = [{"role": "user", "content": "think it over"}]
    thought = ask(items)
    assert [item.type for item in thought.output] == ["reasoning", "message"]
    items += [*history(thought), {"role": "user", "content": "call weather in Paris"}]
    called = ask(items)
    (call,) = called.output
    assert call.type == "function_call"
    items += [*history(called), {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}]
    answered = ask(items)

    assert answered.output_text == "The tools said: 21 degrees"
    assert items[1]["encrypted_content"].startswith("nxs1_")
    assert answered.to_dict()["nodexa"] == {"ignored": []}


def test_a_sealed_text_that_was_cut_is_refused(client: openai.OpenAI, assistant: str) -> None:
    first = client.responses.create(model=assistant, input="think it over", include=WANTED)
    (reasoning, _) = history(first)
    reasoning["encrypted_content"] = reasoning["encrypted_content"][:-4]
    with pytest.raises(openai.BadRequestError, match="exactly as it was received") as refusal:
        client.responses.create(model=assistant, input=[reasoning, {"role": "user", "content": "Go on"}])
    assert (refusal.value.code, refusal.value.param) == ("invalid_encrypted_content", "input[0].encrypted_content")


def test_a_threshold_makes_a_long_conversation_short(client: openai.OpenAI, assistant: str) -> None:
    long = "word " * 1200
    management: Any = [{"type": "compaction", "compact_threshold": 1000}]
    first = client.responses.create(model=assistant, input=long, context_management=management)
    with client.responses.stream(
        model=assistant, input="And now?", previous_response_id=first.id, context_management=management
    ) as stream:
        second = stream.get_final_response()

    assert first.to_dict()["nodexa"] == {"ignored": ["context_management"]}
    assert [item.type for item in second.output] == ["compaction", "message"]
    assert second.output_text == "And now?"
    assert second.usage
    assert second.usage.input_tokens > 1000
    third = client.responses.create(model=assistant, input="recall", previous_response_id=second.id)
    assert "word word" not in third.output_text
