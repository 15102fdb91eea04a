"""What Google's SDK read becomes chunks."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai.types import FinishReason as GoogleReason
from google.genai.types import GenerateContentResponse
from nodexa.v1.item_pb2 import TokenLogprob

from service.errors import NodexaError
from service.model.chunk import Chunk, Finish, FinishReason, ReasoningEnd, SummaryDelta, TextDelta, TokenUsage
from service.model.gemini_reply import BAD_CALLS, FINISH, Reply
from service.model.gemini_signature import Signature
from tests.fakes.gemini_server import piece

SIGNED = {"thoughtSignature": "c2ln"}
BROKEN_OFF = frozenset(
    {
        "FINISH_REASON_UNSPECIFIED",
        "OTHER",
        "IMAGE_OTHER",
        "NO_IMAGE",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "PUP_LIMITED_DISABLED",
    }
)


def chunks(*pieces: dict[str, Any]) -> list[Chunk]:
    reply = Reply("m")
    read = [chunk for each in pieces for chunk in reply.add(GenerateContentResponse.model_validate(each))]
    return read + reply.end()


def signed(place: Any, length: int = 0) -> ReasoningEnd:
    return ReasoningEnd(Signature(place, b"sig", length).keep())


STOP = Finish(FinishReason.STOP)
END = piece(finish="STOP")


def test_every_reason_of_the_sdk_is_known() -> None:
    assert set(FINISH) | BAD_CALLS | BROKEN_OFF == {str(reason.value) for reason in GoogleReason}


@pytest.mark.parametrize(("reason", "finish"), FINISH.items())
def test_each_reason_is_an_end(reason: str, finish: FinishReason) -> None:
    assert chunks(piece({"text": "a"}, finish=reason))[-1] == Finish(finish)


@pytest.mark.parametrize("reason", sorted(BAD_CALLS | BROKEN_OFF))
def test_other_reasons_are_failures(reason: str) -> None:
    with pytest.raises(NodexaError) as caught:
        chunks(piece({"text": "a"}, finish=reason))
    assert caught.value.code == ("invalid_tool_call" if reason in BAD_CALLS else "upstream_error")


def test_signed_text_says_how_long_the_signed_part_is() -> None:
    assert chunks(piece({"text": "Héllo", **SIGNED}), piece({"text": "!"}), END) == [
        signed("text", 5),
        TextDelta("Héllo"),
        TextDelta("!"),
        STOP,
    ]


def test_a_signature_that_comes_late_stands_behind_the_text() -> None:
    assert chunks(piece({"text": "a"}), piece({"text": "", **SIGNED}), piece({"text": "b"}, finish="STOP")) == [
        TextDelta("a"),
        TextDelta("b"),
        signed("empty"),
        STOP,
    ]


def test_a_signature_of_thinking_ends_it() -> None:
    assert chunks(piece({"text": "Hm.", "thought": True, **SIGNED}, {"text": "a"}, finish="STOP")) == [
        SummaryDelta("Hm."),
        signed("thought"),
        TextDelta("a"),
        STOP,
    ]


def test_a_late_signature_stands_before_what_follows_the_text() -> None:
    call = {"functionCall": {"name": "f"}, "thoughtSignature": "c2ln"}
    read = chunks(piece({"text": "a"}, {"text": "", **SIGNED}, call, finish="STOP"))
    assert read[:3] == [TextDelta("a"), signed("empty"), signed("call")]


def test_the_first_candidate_counts() -> None:
    second = {"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "OTHER"}
    both = piece({"text": "yes"}, finish="STOP")
    both["candidates"].insert(0, second)
    assert chunks(both) == [TextDelta("yes"), STOP]


def test_parts_of_unknown_kinds_are_left_out() -> None:
    assert chunks(piece({"executableCode": {"code": "1"}}, {"inlineData": {"data": "AA=="}}, finish="STOP")) == [STOP]


def test_the_last_usage_counts_and_thoughts_are_output() -> None:
    first = piece({"text": "a"}, usage={"promptTokenCount": 3})
    last = {"promptTokenCount": 3, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "cachedContentTokenCount": 2}
    assert TokenUsage(3, 12, cached_tokens=2, reasoning_tokens=7) in chunks(first, piece(finish="STOP", usage=last))


def test_counts_without_the_prompt_s_are_none() -> None:
    assert chunks(piece({"text": "a"}, finish="STOP", usage={"totalTokenCount": 3})) == [TextDelta("a"), STOP]


def test_a_block_ends_the_answer() -> None:
    assert chunks({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}) == [
        TokenUsage(3, 0),
        Finish(FinishReason.CONTENT_FILTER),
    ]


def test_log_probabilities_go_with_the_text() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}, {"token": "x"}],
        "topCandidates": [{"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e"}]}],
    }
    alone = TokenLogprob(token="é", logprob=-0.5, token_bytes="é".encode())
    whole = TokenLogprob(token="é", logprob=-0.5, token_bytes="é".encode(), top_logprobs=[alone])
    read = chunks(piece({"text": "éx"}, finish="STOP", logprobsResult=result))
    assert read == [TextDelta("éx", [whole]), STOP]
